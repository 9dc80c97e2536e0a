"""A second model answers beside the first: two answers, each with its own results and deliveries."""

from collections.abc import Sequence

import pytest
import sqlalchemy as sa
import yaml
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.model.card import CARD_NAME
from gateway.model.choice import EngineRules
from gateway.model.predictor import SHIPPED, Predictor
from gateway.records import Presence, Stage, State
from gateway.store.entries import AnswerRecord
from gateway.store.outbox import Outbox
from gateway.store.queries.views import ImageView
from gateway.store.queries.worklist import Search
from gateway.store.requeue import Requeue
from gateway.store.schema import answers
from gateway.web.site import Site
from gateway.worker.outcome import record_outcomes
from tests.support.ledger_rows import claim
from tests.support.site import add_image, browsing
from tests.support.sources import dx
from tests.support.worker import pipeline_of

EFFUSION = {"code": "60046008", "scheme": "SCT", "meaning": "Pleural effusion"}
CARD = {
    "name": "cxr-effusion",
    "version": "0.3",
    "classes": ["No effusion", "Effusion"],
    "finding": EFFUSION,
    "lungs": None,
    "abstention": None,  # it answers whatever it is shown
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Predictor]:
    """Open the shipped model, and its weights under the card of another model for another finding."""
    folder = tmp_path_factory.mktemp("effusion")
    card = yaml.safe_load((SHIPPED / CARD_NAME).read_text())
    (folder / CARD_NAME).write_text(yaml.safe_dump(card | CARD))
    (folder / card["weights"]["file"]).symlink_to(SHIPPED / card["weights"]["file"])
    return Predictor.open(None, EngineRules(device="cpu")), Predictor.open(
        folder, EngineRules(device="cpu"), threshold=1.0
    )


def answer(site: Site, *models: Predictor) -> Sequence[AnswerRecord]:
    """Answer the image that waits, by each of the models."""
    pipeline = pipeline_of(site.settings, site.stores, *models)
    (settled,) = pipeline.answer(claim(site.ledger, "batch"))
    assert isinstance(settled.outcome, tuple)
    with site.ledger.session() as session:
        record_outcomes([settled], site.ledger, session)
    return settled.outcome


def delivered(site: Site) -> list[str]:
    """Deliver all that is due; return the UIDs of the results."""
    outbox = Outbox(site.ledger)
    claimed = outbox.claim("outbox", "here-1", 100)
    for delivery in claimed:
        outbox.record_stored(delivery)
    return [delivery.sop_instance_uid for delivery in claimed]


def image(site: Site) -> ImageView:
    (found,) = site.images.newest()
    shown = site.images.shown(found.sop_instance_uid)
    assert shown
    return shown


def report_of(record: AnswerRecord) -> Dataset:
    return dcmread(next(result.path for result in record.results if result.kind == "sr"))


def test_two_answers_stand_side_by_side_each_with_its_results_and_device(
    site: Site, models: tuple[Predictor, Predictor]
) -> None:
    add_image(site, 1, dx())
    records = answer(site, *models)
    seen = image(site)
    assert seen.answer
    assert [each.model.device_uid for each in seen.answers] == [each.identity.device_uid for each in models]
    assert (seen.answer, *seen.others) == seen.answers
    for given, record in zip(seen.answers, records, strict=True):
        of_answer = {each.sop_instance_uid for each in seen.results if each.answer_id == given.id}
        assert of_answer == {each.sop_instance_uid for each in record.results}
        for result in record.results:
            (equipment,) = dcmread(result.path).ContributingEquipmentSequence
            assert equipment.DeviceUID == given.model.device_uid


def test_the_second_model_speaks_in_the_words_of_its_card(
    site: Site, models: tuple[Predictor, Predictor]
) -> None:
    add_image(site, 1, dx())
    _, second = answer(site, *models)
    assert second.label == "No effusion"
    assert second.model.presence(second.score) is Presence.ABSENT
    text = report_of(second).to_json()
    assert "Pleural effusion absent: the model's probability of pleural effusion is" in text
    assert ("60046008" in text, "233604007" in text, "neumonia" in text) == (True, False, False)


def test_each_result_of_both_is_delivered_once(site: Site, models: tuple[Predictor, Predictor]) -> None:
    add_image(site, 1, dx())
    records = answer(site, *models)
    wanted = sorted(str(result.sop_instance_uid) for record in records for result in record.results)
    assert sorted(delivered(site)) == wanted
    assert len(set(wanted)) == 4
    assert delivered(site) == []
    assert image(site).state is State.DELIVERED


def test_the_list_and_the_report_show_the_first_and_name_the_other(
    site: Site, models: tuple[Predictor, Predictor]
) -> None:
    add_image(site, 1, dx())
    first, second = answer(site, *models)
    (row,) = site.worklist.page(Search()).rows
    assert (row.label, row.score) == (first.label, first.score)
    (other,) = row.others
    assert (other.model_name, other.label, other.score) == ("cxr-effusion", second.label, second.score)
    with browsing(site) as browser:
        for path in ("/", f"/instances/{row.sop_instance_uid}"):
            assert "cxr-effusion 0.3" in browser.get(path).text
        told = browser.get(f"/api/instances/{row.sop_instance_uid}").json()
    assert [each["label"] for each in told["answers"]] == [first.label, second.label]
    assert told["label"] == first.label


def test_an_answer_anew_replaces_the_report_of_its_own_model_alone(
    site: Site, models: tuple[Predictor, Predictor]
) -> None:
    uid = add_image(site, 1, dx()).sop_instance_uid
    before = answer(site, *models)
    delivered(site)
    Requeue(site.ledger).reprocess(uid)
    stricter = Predictor.open(None, EngineRules(device="cpu"), threshold=0.999)
    timed = site.statistics.seconds(Stage.ANSWER)
    first, _ = answer(site, stricter, models[1])
    assert site.statistics.seconds(Stage.ANSWER) == timed  # how old the image is does not count as latency
    (study,) = report_of(first).PredecessorDocumentsSequence
    (reference,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == report_of(before[0]).SOPInstanceUID
    assert sorted(delivered(site)) == sorted(str(result.sop_instance_uid) for result in first.results)
    with site.ledger.transaction() as connection:
        stand = sa.select(answers.c.model_name).where(answers.c.superseded_at.is_(None))
        assert sorted(connection.scalars(stand)) == ["cxr-effusion", models[0].identity.name]

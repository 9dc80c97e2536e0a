"""Outcomes of a batch: each image has its own, also where two come under one UID."""

from pathlib import Path

from gateway.records import Reason, Stage, State
from gateway.store.ledger import Ledger
from gateway.store.queries.images import Images
from gateway.store.queries.statistics import Statistics
from gateway.store.requeue import Requeue
from gateway.worker.ends import Settled
from gateway.worker.outcome import record_outcomes
from tests.support.ledger_rows import answer, claim, received


def test_the_second_of_two_equal_pictures_in_one_batch_is_the_twin_of_the_first(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.record_received(received(tmp_path))
    ledger.record_received(received(tmp_path, sha256="f" * 64))
    ledger.record_received(received(tmp_path, 2))
    claimed = claim(ledger, "batch")
    outcomes = [Settled(image, (answer(tmp_path, "pacs", uid=f"2.25.{image.id}"),)) for image in claimed]
    with ledger.session() as session:
        record_outcomes(outcomes, ledger, session)
    ends = {
        (each.id, each.state, each.reason)
        for uid in ("1.2.1", "1.2.2")
        for each in Images(ledger).versions(uid)
    }
    assert ends == {
        (1, State.INFERRED, None),
        (2, State.INELIGIBLE, Reason.PIXELS_UNCHANGED),
        (3, State.INFERRED, None),
    }
    stories = [[event.event for event in version.events] for version in Images(ledger).versions("1.2.2")]
    assert stories == [["received", "inferred", "encoded"]]


def test_the_first_answer_alone_tells_how_long_an_image_has_waited(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    for number in (1, 2):
        (image,) = claim(ledger, f"batch {number}")
        assert image.was_answered == (number == 2)
        outcome = (answer(tmp_path, "pacs", uid=f"2.25.{number}"),)
        with ledger.session() as session:
            record_outcomes([Settled(image, outcome)], ledger, session)
        assert len(Statistics(ledger).seconds(Stage.ANSWER)) == 1
        Requeue(ledger).reprocess(image.sop_instance_uid)

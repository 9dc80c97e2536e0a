"""`gateway reprocess` says what will come of it: nothing new, another answer, or not the one meant."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.errors import GatewayError
from gateway.records import ModelIdentity, Reason, State
from gateway.settings import Results, Settings
from gateway.store.requeue import Requeue, Selection
from gateway.store.schema import answers, instances
from gateway.store.workers import Workers
from gateway.web.api.health import STAND_IN, engines_of
from gateway.web.site import Site
from gateway.worker.answering import answering_of, configuration_hash
from gateway.worker.inference import open_predictor
from gateway.worker.reprocess import Reprocessed, reprocess, reprocess_all
from tests.support.ledger_rows import claim
from tests.support.site import add_answer, add_image, days_ago


@cache
def model() -> ModelIdentity:
    """Return the identity of the shipped model; to open it takes a second."""
    return open_predictor(Settings()).identity


def answered(site: Site, **differently: Any) -> tuple[str, dict[str, Any]]:
    """Answer an image; return its UID, and what an answer would now depend on."""
    uid = add_answer(site, 1).sop_instance_uid
    present = answering_of(site.settings, model())
    with site.ledger.transaction() as connection:
        connection.execute(sa.update(instances).values(state=State.DELIVERED))
        configuration = configuration_hash(present | differently)
        connection.execute(sa.update(answers).values(configuration=configuration))
    return uid, present


def ask(site: Site, uid: str) -> str:
    return reprocess(site.settings, site.ledger, site.images.versions(uid), model())


def state(site: Site, uid: str) -> str:
    return str(site.images.versions(uid)[0].state)


def test_the_same_answer_is_not_given_twice(site: Site) -> None:
    uid, present = answered(site)
    Workers(site.ledger).beat("here-1", "life", present)
    assert ask(site, uid) == "has its answer by this model, configuration and revision; nothing to do"
    assert state(site, uid) == State.DELIVERED


@pytest.mark.parametrize(
    "differently",
    [
        {"software_version": "0.1.0+0123456789ab"},
        {"threshold": 0.123},
        {"abstention": "none"},
        {"engine": "another engine"},
        {"calibration": "temperature 2"},
        {"version": "0.9"},
        {"report": "comprehensive"},
    ],
    ids=lambda differently: next(iter(differently)),
)
def test_whatever_may_change_an_answer_lets_it_be_given_again(
    site: Site, differently: dict[str, Any]
) -> None:
    uid, present = answered(site, **differently)
    Workers(site.ledger).beat("here-1", "life", present)
    assert ask(site, uid) == "is answered again"
    assert state(site, uid) == State.RECEIVED


def test_a_worker_with_other_settings_is_named_and_nothing_is_begun(site: Site) -> None:
    uid, present = answered(site)
    Workers(site.ledger).beat("here-1", "life", present | {"threshold": 0.9, "software_version": "0.1.0+old"})
    with pytest.raises(GatewayError) as refused:
        ask(site, uid)
    assert str(refused.value) == (
        f"{uid}: a running worker answers with threshold 0.9, not {present['threshold']}, software version "
        f"0.1.0+old, not {present['software_version']} of this command; restart the gateway with these "
        "settings first"
    )
    assert state(site, uid) == State.DELIVERED


def test_a_worker_with_a_setting_that_this_command_lacks_is_named(site: Site) -> None:
    uid, present = answered(site)
    Workers(site.ledger).beat("here-1", "life", present | {"pdf": True})
    with pytest.raises(GatewayError, match="answers with pdf True, not none of this command"):
        ask(site, uid)


def test_a_result_that_was_switched_on_is_made_for_earlier_images(site: Site) -> None:
    uid, _ = answered(site)
    settings = site.settings.model_copy(update={"results": Results(pdf=True)})
    said = reprocess(settings, site.ledger, site.images.versions(uid), model())
    assert said == "is answered again once a worker runs"


def test_a_retried_image_waits_since_its_retry(site: Site) -> None:
    uid = add_image(site, 1, received_at=days_ago(20)).sop_instance_uid
    with site.ledger.transaction() as connection:
        connection.execute(sa.update(instances).values(state=State.FAILED))
    Requeue(site.ledger).retry(uid)
    (waiting,) = claim(site.ledger, "batch")
    assert waiting.waits_since > days_ago(1)


def test_without_a_worker_it_says_so(site: Site) -> None:
    uid, present = answered(site, threshold=0.123)
    Workers(site.ledger).beat("here-1", "life", present)
    Workers(site.ledger).beat("here-1", "life")  # it stops
    assert ask(site, uid) == "is answered again once a worker runs"


def test_a_window_is_moved_over_in_one_go(site: Site) -> None:
    """Images with an answer of another model are queued; one that has its answer, and others, are left."""
    present = answering_of(site.settings, model())
    uids = {number: add_answer(site, number).sop_instance_uid for number in range(1, 6)}
    changes: dict[int, dict[str, Any]] = {
        1: {"received_at": days_ago(40)},
        3: {"reason": Reason.REJECTED, "detail": "rejected by a note"},
        4: {"file_deleted_at": days_ago(1)},
    }
    with site.ledger.transaction() as connection:
        connection.execute(sa.update(instances).values(state=State.DELIVERED))
        for number, values in changes.items():
            this = instances.c.sop_instance_uid == uids[number]
            connection.execute(sa.update(instances).where(this).values(values))
        newest = sa.select(sa.func.max(answers.c.id)).scalar_subquery()
        connection.execute(sa.update(answers).values(configuration="of an earlier model"))
        same = {"configuration": configuration_hash(present)}
        connection.execute(sa.update(answers).where(answers.c.id == newest).values(same))
    waiting = add_image(site, 6).sop_instance_uid
    Workers(site.ledger).beat("here-1", "life", present)

    chosen = Selection((), None, days_ago(7)).condition
    moved = reprocess_all(site.settings, site.ledger, site.images.answered(chosen), model())

    problems = (
        f"{uids[3]}: rejected by a note; it gets no answer any more",
        f"{uids[4]}: its file has been deleted; send it again first",
    )
    assert moved == Reprocessed(again=1, same=1, problems=problems, worker_runs=True)
    received = {uid for uid in (*uids.values(), waiting) if state(site, uid) == State.RECEIVED}
    assert received == {uids[2], waiting}


def test_a_worker_with_other_settings_ends_a_window_before_its_first_image(site: Site) -> None:
    uid, present = answered(site, threshold=0.123)
    Workers(site.ledger).beat("here-1", "life", present | {"threshold": 0.9})
    with pytest.raises(GatewayError, match=r"^a running worker answers with threshold 0\.9"):
        reprocess_all(site.settings, site.ledger, [uid], model())
    assert state(site, uid) == State.DELIVERED


def test_health_names_the_engines_of_the_workers(site: Site) -> None:
    _, present = answered(site)
    assert engines_of(site) == ""
    Workers(site.ledger).beat("here-1", "life", present | {"engine": "OpenVINO float32"})
    assert engines_of(site) == " by OpenVINO float32"
    Workers(site.ledger).beat("here-1", "life", present | {"engine": STAND_IN})
    assert engines_of(site) == " by PyTorch float32 in the place of OpenVINO: see gateway doctor"

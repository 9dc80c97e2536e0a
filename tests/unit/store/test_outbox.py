"""Deliveries on a real database: what is due, who has it, what the image becomes."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.records import Reason, State
from gateway.store.clock import now
from gateway.store.commitments import Commitments, Report
from gateway.store.entries import DeliveryState, PendingDelivery
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from gateway.store.queries.views import DeliveryView
from gateway.store.requeue import Begun, Requeue, Requeued, Selection
from tests.support.ledger_rows import answer, claim, received, record_answer, state


@pytest.fixture
def outbox(ledger: Ledger, tmp_path: Path) -> Outbox:
    """The results of one image, on their way to `pacs` and `outbox`."""
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    record_answer(ledger, image, answer(tmp_path, "pacs", "outbox"))
    outbox = Outbox(ledger)
    for name in ("pacs", "outbox"):
        outbox.add_destination(name)
        outbox.add_destination(name)
    return outbox


def take(outbox: Outbox, destination: str) -> PendingDelivery:
    (pending,) = outbox.claim(destination, "worker", 10)
    return pending


def delivery(ledger: Ledger, destination: str = "pacs") -> DeliveryView:
    (version,) = Images(ledger).versions("1.2.1")
    return next(each for each in version.deliveries if each.destination == destination)


def test_an_image_is_delivered_when_every_destination_has_every_result(
    ledger: Ledger, outbox: Outbox
) -> None:
    pending = take(outbox, "pacs")
    outbox.record_failure(pending, "refused")
    outbox.record_stored(take(outbox, "outbox"))
    assert state(ledger) == (State.INFERRED, None)
    outbox.record_stored(take(outbox, "pacs"))
    outbox.record_stored(pending)  # a worker that was given up comes too late
    assert state(ledger) == (State.DELIVERED, None)
    assert not outbox.has_due("pacs")
    assert (delivery(ledger).attempts, delivery(ledger).last_error) == (2, None)
    assert outbox.destinations() == []


def test_what_another_worker_has_recorded_stays_when_several_are_recorded(
    ledger: Ledger, outbox: Outbox
) -> None:
    pacs, folder = take(outbox, "pacs"), take(outbox, "outbox")
    outbox.record_dead(pacs, "0xC000")
    outbox.record_stored(pacs, folder)
    assert (delivery(ledger).state, delivery(ledger, "outbox").state) == ("dead", "stored")
    assert state(ledger) == (State.FAILED, Reason.NOT_DELIVERED)


def test_a_dead_delivery_fails_the_image_but_not_before_the_others_have_ended(
    ledger: Ledger, outbox: Outbox
) -> None:
    outbox.record_dead(take(outbox, "pacs"), "0xC000")
    assert state(ledger) == (State.INFERRED, None)
    outbox.record_stored(take(outbox, "outbox"))
    assert state(ledger) == (State.FAILED, Reason.NOT_DELIVERED)


def test_what_one_worker_has_in_hand_is_not_anothers_until_it_is_released(outbox: Outbox) -> None:
    take(outbox, "pacs")
    assert not outbox.has_due("pacs")
    assert outbox.claim("pacs", "other", 10) == []
    outbox.release("other")
    assert not outbox.has_due("pacs")
    outbox.release("worker", "pacs")
    assert outbox.has_due("pacs")


def test_a_failed_delivery_waits(outbox: Outbox) -> None:
    outbox.record_failure(take(outbox, "pacs"), "0xA700", 3600)
    assert not outbox.has_due("pacs")
    assert outbox.has_due("outbox")


def test_nothing_is_due_where_the_destination_is_away(ledger: Ledger, outbox: Outbox) -> None:
    outbox.record_away("pacs", "nobody there", 3600)
    assert outbox.failures("pacs") == 1
    assert not outbox.has_due("pacs")
    assert outbox.has_due("outbox")
    assert delivery(ledger).last_error == "nobody there"
    outbox.record_reached("pacs")
    assert outbox.failures("pacs") == 0
    assert outbox.has_due("pacs")
    assert delivery(ledger).last_error is None


def test_what_is_overdue_is_found_also_where_nothing_is_due(outbox: Outbox) -> None:
    outbox.record_away("pacs", "nobody there", 3600)
    assert len(outbox.overdue("pacs", now())) == 1
    assert outbox.overdue("pacs", now() - timedelta(hours=1)) == []


# --- Storage Commitment


@pytest.fixture
def commitments(ledger: Ledger, outbox: Outbox) -> Commitments:
    """The result is everywhere, and `pacs` has been asked to keep it."""
    outbox.record_stored(take(outbox, "outbox"))
    outbox.record_stored(take(outbox, "pacs"), to_be_committed=True)
    commitments = Commitments(ledger, lambda _: 5.0)
    commitments.record_asked(take(outbox, "pacs"), "2.25.9", 3600)
    commitments.record_taken("2.25.9")
    outbox.release("worker")
    return commitments


def test_a_result_is_committed_when_the_destination_says_so(ledger: Ledger, commitments: Commitments) -> None:
    assert state(ledger) == (State.INFERRED, None)
    assert commitments.record_report("2.25.8", {"2.25.1"}, {}) == Report(is_known=False)  # of another request
    report = commitments.record_report("2.25.9", {"2.25.1"}, {})
    assert (report.is_known, [each.destination for each in report.kept], report.lost) == (True, ["pacs"], [])
    assert commitments.record_report("2.25.9", {"2.25.1"}, {}) == Report(True, [], [])  # once more
    assert delivery(ledger).state == DeliveryState.COMMITTED
    assert state(ledger) == (State.DELIVERED, None)


def test_what_the_destination_does_not_keep_is_sent_again_but_not_at_once(
    ledger: Ledger, outbox: Outbox, commitments: Commitments
) -> None:
    report = commitments.record_report("2.25.9", set(), {"2.25.1": "resource limitation"})
    assert [each.destination for each in report.lost] == ["pacs"]
    assert delivery(ledger).state == DeliveryState.PENDING
    assert delivery(ledger).last_error == "not committed: resource limitation"
    assert not outbox.has_due("pacs")
    assert (outbox.next_due()["pacs"] - now()).total_seconds() <= 5  # not as late as a missing report
    assert state(ledger) == (State.INFERRED, None)


def test_without_an_answer_the_destination_is_asked_again(
    ledger: Ledger, outbox: Outbox, commitments: Commitments
) -> None:
    assert delivery(ledger).last_error is None
    for times in ("once", "2 times"):
        (asked,) = outbox.overdue("pacs", now())
        commitments.record_asked(asked, f"2.25.10.{asked.asked}", 0)
        commitments.record_taken(f"2.25.10.{asked.asked}")
        assert delivery(ledger).last_error == f"asked {times} to commit it, no report"
    assert take(outbox, "pacs").state is DeliveryState.STORED
    assert commitments.record_report("2.25.9", {"2.25.1"}, {}) == Report(is_known=False)


# --- begun again by a person


def test_a_dead_delivery_is_retried_at_once(ledger: Ledger, outbox: Outbox) -> None:
    outbox.record_stored(take(outbox, "outbox"))
    outbox.record_failure(take(outbox, "pacs"), "0xC000")
    outbox.record_dead(take(outbox, "pacs"), "0xC000")
    outbox.record_away("pacs", "nobody there", 3600)
    assert Requeue(ledger).retry("1.2.1") == Begun(images=0, deliveries=1)
    assert state(ledger) == (State.INFERRED, None)
    retried = take(outbox, "pacs")
    assert retried.attempts == 0
    outbox.record_stored(retried)
    assert state(ledger) == (State.DELIVERED, None)
    assert Requeue(ledger).retry() == Begun(images=0, deliveries=0)


def test_an_image_without_an_answer_is_received_again(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    with ledger.session() as session:
        ledger.end(session, image, State.FAILED, Reason.POISON, "it ended its process")
    assert Requeue(ledger).retry("1.2.2") == Begun(images=0, deliveries=0)
    assert Requeue(ledger).retry() == Begun(images=1, deliveries=0)
    assert state(ledger) == (State.RECEIVED, None)
    (again,) = claim(ledger, "b")
    assert again.attempts == 1


def test_another_answer_supersedes_the_results_but_keeps_them(
    ledger: Ledger, outbox: Outbox, tmp_path: Path
) -> None:
    outbox.record_dead(take(outbox, "pacs"), "0xC000")
    outbox.record_stored(take(outbox, "outbox"))
    Requeue(ledger).reprocess("1.2.1")
    (image,) = claim(ledger, "b")
    assert [report.sop_instance_uid for report in image.earlier_reports] == ["2.25.1"]
    record_answer(ledger, image, answer(tmp_path, "outbox", uid="2.25.2"))
    assert state(ledger) == (State.INFERRED, None)
    outbox.record_stored(take(outbox, "outbox"))
    assert state(ledger) == (State.DELIVERED, None)  # the dead delivery was of what is superseded
    (version,) = Images(ledger).versions("1.2.1")
    superseded = {result.sop_instance_uid: result.superseded_at for result in version.results}
    assert superseded["2.25.1"] is not None
    assert superseded["2.25.2"] is None


def test_the_first_model_answering_again_brings_back_its_own_results(
    ledger: Ledger, outbox: Outbox, tmp_path: Path
) -> None:
    for name in ("pacs", "outbox"):
        outbox.record_stored(take(outbox, name))
    for uid in ("2.25.2", "2.25.1"):
        Requeue(ledger).reprocess("1.2.1")
        (image,) = claim(ledger, uid)
        record_answer(ledger, image, answer(tmp_path, "outbox", uid=uid))
        for pending in outbox.claim("outbox", "worker", 10):
            outbox.record_stored(pending)
    assert state(ledger) == (State.DELIVERED, None)
    (version,) = Images(ledger).versions("1.2.1")
    standing = [each.sop_instance_uid for each in version.results if not each.superseded_at]
    assert standing == ["2.25.1"]


# --- sent again


def everywhere(*_: str) -> tuple[str, ...]:
    return "pacs", "new"


def test_what_was_delivered_is_sent_again_also_to_a_new_destination(ledger: Ledger, outbox: Outbox) -> None:
    for name in ("pacs", "outbox"):
        outbox.record_stored(take(outbox, name))
    assert Requeue(ledger).resend(Selection(("1.2.1",)), everywhere) == Requeued(deliveries=2, images=1)
    assert state(ledger) == (State.INFERRED, None)
    under_way = Requeue(ledger).resend(Selection(("1.2.1",)), everywhere)
    assert under_way == Requeued(deliveries=0, images=0)
    outbox.add_destination("new")
    again, new = take(outbox, "pacs"), take(outbox, "new")
    assert (again.unsure, new.unsure) == (True, False)
    for pending in (again, new):
        outbox.record_stored(pending)
    assert state(ledger) == (State.DELIVERED, None)
    (version,) = Images(ledger).versions("1.2.1")
    assert [each.event for each in version.events].count("resent") == 1


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(study_instance_uid="1.2.100"), 1),
        (Selection(study_instance_uid="1.2.101"), 0),
        (Selection(since=now() - timedelta(hours=1)), 1),
        (Selection(since=now() + timedelta(hours=1)), 0),
    ],
)
def test_what_is_sent_again_is_chosen(
    ledger: Ledger, outbox: Outbox, selection: Selection, count: int
) -> None:
    outbox.record_stored(take(outbox, "outbox"))
    outbox.record_dead(take(outbox, "pacs"), "refused")
    assert Requeue(ledger).resend(selection, lambda *_: ("pacs",)) == Requeued(deliveries=count, images=count)


def test_an_answer_without_a_route_goes_where_the_present_one_leads(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    record_answer(ledger, image, answer(tmp_path))
    assert Images(ledger).unrouted() == {"MODALITY": 1}
    assert Requeue(ledger).retry("1.2.1") == Begun(images=0, deliveries=0, unrouted=("MODALITY",))
    assert state(ledger) == (State.FAILED, Reason.NOT_ROUTED)
    assert Requeue(ledger).retry(None, everywhere) == Begun(images=0, deliveries=2)
    assert state(ledger) == (State.INFERRED, None)
    assert Images(ledger).unrouted() == {}

"""What an attempt records: delays, destinations that are away, results that are given up."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lxml import etree

from gateway.deliver.attempt import Attempt, delay_seconds, least_attempts
from gateway.deliver.destinations import Unconfigured, open_destinations
from gateway.deliver.outcome import Outcome, Verdict, each_by_itself
from gateway.errors import Retry
from gateway.records import Reason, State
from gateway.settings import Delivery, Settings
from gateway.store import schema as tables
from gateway.store.clock import now
from gateway.store.commitments import Commitments
from gateway.store.entries import PendingDelivery
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from gateway.telemetry.audit import trail
from tests.support.gateway_process import wait_for
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.sources import dx, encoded
from tests.support.storage_peer import storage_peer
from tests.support.worker import folders_in

RULES = Delivery(first_retry_seconds=5, longest_retry_seconds=3600, give_up_after_hours=1)


@pytest.mark.parametrize(("attempts", "middle"), [(1, 5), (2, 10), (5, 80), (11, 3600), (1000, 3600)])
def test_the_delay_doubles_up_to_its_bound(attempts: int, middle: float) -> None:
    delays = [delay_seconds(attempts, RULES) for _ in range(50)]
    assert all(0.8 * middle <= delay <= 1.2 * middle for delay in delays)
    assert len(set(delays)) > 1


@pytest.fixture
def outbox(ledger: Ledger, tmp_path: Path) -> Outbox:
    """The results of three images, due at `pacs`."""
    (tmp_path / "results").mkdir()
    for number in (1, 2, 3):
        ledger.record_received(received(tmp_path, number))
    for image in claim(ledger, "a"):
        record = answer(tmp_path, "pacs", digest=image.sop_instance_uid, uid=f"2.25.{image.id}")
        record.results[0].path.write_bytes(encoded(dx(SOPInstanceUID=f"2.25.{image.id}")))
        record_answer(ledger, image, record)
    outbox = Outbox(ledger)
    outbox.add_destination("pacs")
    return outbox


def asking(ledger: Ledger) -> Commitments:
    return Commitments(ledger, lambda _: 5.0)


def attempt(ledger: Ledger, outbox: Outbox, port: int | None, **rules: Any) -> None:
    """Deliver what is due, to a PACS or to a destination that is no longer configured."""
    pacs = {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": port}
    later = {"first_retry_seconds": 3600}  # than any test takes
    settings = Settings(destinations=[pacs] if port else [], routes=[], delivery=later | rules)
    claimed = outbox.claim("pacs", "worker", 100)
    destination = open_destinations(settings).get("pacs") or Unconfigured("pacs")
    stores = folders_in(ledger._kept)
    Attempt(destination, settings.delivery, outbox, asking(ledger), stores, threading.Event()).run(claimed)
    outbox.release("worker")


def deliveries(ledger: Ledger) -> list[tuple[str, int]]:
    versions = [Images(ledger).versions(f"1.2.{number}")[0] for number in (1, 2, 3)]
    return [(each.state, each.attempts) for version in versions for each in version.deliveries]


def test_what_an_attempt_did_not_reach_is_tried_at_once_where_others_arrived(
    ledger: Ledger, outbox: Outbox
) -> None:
    with storage_peer(lambda uid: None if uid == "2.25.2" else 0x0000) as peer:
        attempt(ledger, outbox, peer.port)
        assert deliveries(ledger) == [("stored", 1), ("pending", 1), ("pending", 0)]
        assert outbox.failures("pacs") == 0
        attempt(ledger, outbox, peer.port)  # the one that broke the association waits
        assert deliveries(ledger) == [("stored", 1), ("pending", 1), ("stored", 1)]
        assert not outbox.has_due("pacs")


def test_a_destination_that_is_away_is_left_alone(ledger: Ledger, outbox: Outbox) -> None:
    attempt(ledger, outbox, None)
    assert deliveries(ledger) == [("pending", 1)] * 3
    assert outbox.failures("pacs") == 1
    assert not outbox.has_due("pacs")


class Busy(Unconfigured):
    """Takes one result, and asks to be left alone for ten minutes."""

    def deliver(
        self,
        pending: Sequence[PendingDelivery],
        stopping: threading.Event | None = None,  # noqa: ARG002
    ) -> Iterator[Outcome]:
        first, *others = pending
        yield Outcome(first, Verdict.DELIVERED)
        for each in others:
            yield Outcome(each, Verdict.AWAY, "429", retry_after=600.0)


def test_a_destination_says_for_how_long_it_is_left_alone(ledger: Ledger, outbox: Outbox) -> None:
    claimed = outbox.claim("pacs", "worker", 100)
    stores = folders_in(ledger._kept)
    Attempt(Busy("pacs"), RULES, outbox, asking(ledger), stores, threading.Event()).run(claimed)
    outbox.release("worker")
    assert deliveries(ledger) == [("stored", 1), ("pending", 1), ("pending", 1)]
    wait = outbox.next_due()["pacs"] - now()
    assert 590 < wait.total_seconds() <= 600


class Stumbling(Unconfigured):
    """Says that it is away whenever it comes to the first image, as behind a filter that answers 403."""

    def deliver(
        self,
        pending: Sequence[PendingDelivery],
        stopping: threading.Event | None = None,  # noqa: ARG002
    ) -> Iterator[Outcome]:
        is_away = False
        for each in pending:
            is_away |= each.sop_instance_uid == "2.25.1"
            yield Outcome(each, Verdict.AWAY if is_away else Verdict.DELIVERED, "403")


def test_a_result_at_which_a_destination_says_that_it_is_away_lets_the_others_pass(
    ledger: Ledger, outbox: Outbox
) -> None:
    rules, stores = Delivery(first_retry_seconds=0.001, longest_retry_seconds=0.001), folders_in(ledger._kept)
    for _ in range(2):
        wait_for(lambda: outbox.has_due("pacs"))
        claimed = outbox.claim("pacs", "worker", 100)
        Attempt(
            Stumbling("pacs"), rules, outbox, asking(ledger), stores, threading.Event()
        ).run(claimed)  # fmt: skip
        outbox.release("worker")
    assert deliveries(ledger) == [("pending", 1), ("stored", 2), ("stored", 2)]


class Silent(Unconfigured):
    """Answers to no result, so that the others of the round are left."""

    def deliver(
        self,
        pending: Sequence[PendingDelivery],
        stopping: threading.Event | None = None,  # noqa: ARG002
    ) -> Iterator[Outcome]:
        yield from each_by_itself(pending, lambda each: (Outcome(each, Verdict.LATER, "no answer"), False))


def test_a_result_without_an_answer_goes_behind_those_that_were_left(ledger: Ledger, outbox: Outbox) -> None:
    rules, stores = Delivery(first_retry_seconds=0.001, longest_retry_seconds=0.001), folders_in(ledger._kept)
    claimed = outbox.claim("pacs", "worker", 100)
    Attempt(Silent("pacs"), rules, outbox, asking(ledger), stores, threading.Event()).run(claimed)
    outbox.release("worker")
    wait_for(lambda: outbox.has_due("pacs"))
    assert outbox.claim("pacs", "worker", 1)[0].id == claimed[1].id


class Quick(Unconfigured):
    """Takes each result at once; `taken` is called after each, before its outcome is known."""

    def __init__(self, *, takes_again: bool, taken: Callable[[int], None]) -> None:
        super().__init__("pacs")
        self.takes_again = takes_again
        self._taken = taken

    def deliver(
        self,
        pending: Sequence[PendingDelivery],
        stopping: threading.Event | None = None,  # noqa: ARG002
    ) -> Iterator[Outcome]:
        for number, each in enumerate(pending, 1):
            self._taken(number)
            yield Outcome(each, Verdict.DELIVERED, more_follow=True)


def deliver_quickly(ledger: Ledger, outbox: Outbox, taken: Callable[[int], None], *, again: bool) -> None:
    destination, stores = Quick(takes_again=again, taken=taken), folders_in(ledger._kept)
    claimed = outbox.claim("pacs", "worker", 100)
    Attempt(destination, RULES, outbox, asking(ledger), stores, threading.Event()).run(claimed)


@pytest.mark.parametrize(("again", "recorded"), [(True, [0, 0, 0]), (False, [0, 1, 2])])
def test_what_may_be_sent_twice_is_recorded_together(
    ledger: Ledger, outbox: Outbox, again: bool, recorded: list[int]
) -> None:
    seen: list[int] = []
    deliver_quickly(
        ledger, outbox, lambda _: seen.append(deliveries(ledger).count(("stored", 1))), again=again
    )
    assert seen == recorded
    assert deliveries(ledger) == [("stored", 1)] * 3
    assert [state(ledger, f"1.2.{number}")[0] for number in (1, 2, 3)] == [State.DELIVERED] * 3


def test_one_success_ends_the_outage_for_all(ledger: Ledger, outbox: Outbox) -> None:
    outbox.record_away("pacs", "nobody there", -1)
    with storage_peer() as peer:
        attempt(ledger, outbox, peer.port)
    assert deliveries(ledger) == [("stored", 1)] * 3
    assert outbox.failures("pacs") == 0


def test_what_is_refused_for_good_fails_its_image_alone(ledger: Ledger, outbox: Outbox) -> None:
    with storage_peer(lambda uid: 0xC123 if uid == "2.25.2" else 0x0000) as peer:
        attempt(ledger, outbox, peer.port)
    assert deliveries(ledger) == [("stored", 1), ("dead", 1), ("stored", 1)]
    assert state(ledger, "1.2.2") == (State.FAILED, Reason.NOT_DELIVERED)


def test_all_that_is_too_old_is_given_up_with_the_attempt_that_found_nobody(
    ledger: Ledger, outbox: Outbox
) -> None:
    attempt(ledger, outbox, None, give_up_after_hours=1e-9)
    assert {state for state, _ in deliveries(ledger)} == {"dead"}
    assert state(ledger, "1.2.3") == (State.FAILED, Reason.NOT_DELIVERED)


def test_what_is_to_be_committed_by_what_is_no_dicom_node_is_given_up(ledger: Ledger, outbox: Outbox) -> None:
    for claimed in outbox.claim("pacs", "worker", 100):
        outbox.record_stored(claimed, to_be_committed=True)
    attempt(ledger, outbox, None)
    assert {state for state, _ in deliveries(ledger)} == {"dead"}


class Unreporting(Unconfigured):
    """Takes requests for commitment, and does not report."""

    commits = True
    commitment_timeout_seconds = 300.0

    def commit(self, *_: Any) -> None:
        """Take the request."""


def test_a_report_may_take_longer_with_each_request(ledger: Ledger, outbox: Outbox) -> None:
    """An archive that commits at night would never report on the last request if all had the same time."""
    outbox.record_stored(*outbox.claim("pacs", "worker", 100), to_be_committed=True)
    stores, waits = folders_in(ledger._kept), []
    for _ in range(11):
        claimed = outbox.claim("pacs", "worker", 100)
        silent = Attempt(
            Unreporting("pacs"),
            Delivery(),
            outbox,
            asking(ledger),
            stores,
            threading.Event(),
        )
        silent.run(claimed)
        outbox.release("worker")
        waits.append(round((outbox.next_due()["pacs"] - now()).total_seconds(), -2))
        with ledger.transaction() as connection:
            connection.execute(sa.update(tables.deliveries).values(not_before=now()))
    assert waits[:4] == [300, 600, 1200, 2400]
    assert waits[-3:] == [76_800, 86_400, 86_400]


def test_a_request_that_did_not_go_is_repeated_soon(ledger: Ledger, outbox: Outbox) -> None:
    outbox.record_stored(*outbox.claim("pacs", "worker", 100), to_be_committed=True)
    with ledger.transaction() as connection:
        connection.execute(sa.update(tables.deliveries).values(asked=9))

    class Away(Unreporting):
        def commit(self, *_: Any) -> None:
            raise Retry("nothing answers there")

    stores = folders_in(ledger._kept)
    claimed = outbox.claim("pacs", "worker", 100)
    Attempt(Away("pacs"), Delivery(), outbox, asking(ledger), stores, threading.Event()).run(claimed)
    outbox.release("worker")
    assert (outbox.next_due()["pacs"] - now()).total_seconds() < 10
    with ledger.look() as connection:  # and the next report may not take longer for it
        assert set(connection.scalars(sa.select(tables.deliveries.c.asked))) == {9}


@pytest.mark.parametrize("timeout", [300.0, 3600.0, 1e6])
def test_without_a_report_a_result_is_given_up_in_time(
    ledger: Ledger, outbox: Outbox, timeout: float
) -> None:
    class Slow(Unreporting):
        commitment_timeout_seconds = timeout

    outbox.record_stored(*outbox.claim("pacs", "worker", 100), to_be_committed=True)
    stores, begun = folders_in(ledger._kept), now()
    passed = 0.0
    while claimed := outbox.claim("pacs", "worker", 100):
        Attempt(Slow("pacs"), Delivery(), outbox, asking(ledger), stores, threading.Event()).run(claimed)
        outbox.release("worker")
        if due := outbox.next_due():  # the time until then passes
            passed += (wait := (due["pacs"] - now()).total_seconds())
            begun -= timedelta(seconds=wait)
            with ledger.transaction() as connection:
                connection.execute(sa.update(tables.deliveries).values(not_before=now(), begun_at=begun))
    assert {state for state, _ in deliveries(ledger)} == {"dead"}
    assert passed / 3600 == pytest.approx(72, abs=0.01)


@pytest.mark.parametrize(
    ("hours", "first", "attempts"), [(72, 5, 10), (1e-9, 5, 1), (1, 600, 2), (1, 3600, 1)]
)
def test_age_alone_gives_nothing_up(hours: float, first: float, attempts: int) -> None:
    rules = Delivery(first_retry_seconds=first, longest_retry_seconds=3600, give_up_after_hours=hours)
    assert least_attempts(rules) == attempts


def test_a_clock_that_jumps_ahead_kills_nothing(ledger: Ledger, outbox: Outbox) -> None:
    with ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET begun_at = '2020-01-01 00:00:00'")
    attempt(ledger, outbox, None)
    with storage_peer(lambda _: 0xA700) as peer:
        outbox.record_reached("pacs")
        attempt(ledger, outbox, peer.port)
    assert {state for state, _ in deliveries(ledger)} == {"pending"}
    with storage_peer() as peer:
        with ledger.transaction() as connection:
            connection.exec_driver_sql("UPDATE deliveries SET not_before = '1970-01-01 00:00:00'")
        attempt(ledger, outbox, peer.port)
    assert {state for state, _ in deliveries(ledger)} == {"stored"}


def test_whatever_is_raised_over_one_object_the_others_go_on(
    ledger: Ledger, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Outbox.record_stored

    def fail(self: Outbox, delivery: Any, **more: Any) -> None:
        if delivery.sop_instance_uid == "2.25.1":
            raise sa.exc.DataError("statement", {}, ValueError("a NUL"))
        real(self, delivery, **more)

    monkeypatch.setattr(Outbox, "record_stored", fail)
    with storage_peer() as peer:
        attempt(ledger, outbox, peer.port)
    assert deliveries(ledger) == [("pending", 1), ("stored", 1), ("stored", 1)]
    assert not outbox.has_due("pacs"), "it has its own back-off"


def test_what_a_destination_says_is_cleaned() -> None:
    assert Outcome(None, Verdict.LATER, "a\0b\x1b[31m\nforged").error == r"a\x00b\x1b[31m\nforged"  # type: ignore[arg-type]


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Callable[[], list[tuple[str, str, str]]]]:
    """Each audited transfer: to whom, of whom, how it ended."""

    def read() -> list[tuple[str, str, str]]:
        (file,) = (tmp_path / "audit").glob("audit-*.log")
        trees = [
            etree.fromstring(line.partition(b"\xef\xbb\xbf")[2]) for line in file.read_bytes().splitlines()
        ]
        return [
            (
                tree.findall("ActiveParticipant")[1].get("UserID"),
                tree.findall("ParticipantObjectIdentification")[1].get("ParticipantObjectID"),
                tree.find("EventIdentification").get("EventOutcomeIndicator"),
            )
            for tree in trees
        ]

    trail.open_trail(Settings(data_dir=tmp_path))
    yield read
    trail.close_trail()


Audited = Callable[[], list[tuple[str, str, str]]]


def test_what_is_sent_is_audited(ledger: Ledger, outbox: Outbox, audited: Audited) -> None:
    with storage_peer() as peer:
        attempt(ledger, outbox, peer.port)
    assert audited() == [("PACS", "P-0042", "0")] * 3


def test_what_is_given_up_is_audited_once(ledger: Ledger, outbox: Outbox, audited: Audited) -> None:
    with storage_peer(lambda _: 0xA900) as peer:
        attempt(ledger, outbox, peer.port)
        attempt(ledger, outbox, peer.port)
    assert audited() == [("PACS", "P-0042", "8")] * 3


def test_what_waits_is_not_audited_yet(ledger: Ledger, outbox: Outbox, audited: Audited) -> None:
    with storage_peer(lambda _: 0xA700) as peer:
        attempt(ledger, outbox, peer.port)
    assert audited() == []

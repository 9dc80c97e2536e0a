"""Couriers follow the ledger; one that dies or hangs is noticed, replaced, and never sends twice at once."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.deliver import attempt as attempts
from gateway.deliver import courier as couriers_module
from gateway.deliver.attempt import Attempt
from gateway.deliver.couriers import Couriers
from gateway.deliver.folder import ResultsFolder
from gateway.deliver.outcome import Outcome, Verdict
from gateway.deliver.shift import Shift
from gateway.processes.couriers import couriers_of
from gateway.settings import Settings
from gateway.store.clock import now
from gateway.store.entries import AT_ONCE, PendingDelivery
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from gateway.store.requeue import Requeue
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.ledger_rows import answer, claim, received, record_answer
from tests.support.sources import dx, encoded
from tests.support.worker import folders_in


@pytest.fixture
def images(ledger: Ledger, tmp_path: Path) -> list[str]:
    """Results of three images, due at `outbox`."""
    (tmp_path / "results").mkdir()
    for number in (1, 2, 3):
        ledger.record_received(received(tmp_path, number))
    for image in claim(ledger, "a"):
        record = answer(tmp_path, "outbox", digest=image.sop_instance_uid, uid=f"2.25.{image.id}")
        record.results[0].path.write_bytes(encoded(dx(SOPInstanceUID=f"2.25.{image.id}")))
        record_answer(ledger, image, record)
    return ["1.2.1", "1.2.2", "1.2.3"]


@pytest.fixture
def couriers(ledger: Ledger, tmp_path: Path) -> Iterator[Callable[..., Couriers]]:
    """Return started couriers of a worker; they end with the test."""
    started = []

    def start(**changes: Any) -> Couriers:
        folder = {"name": "outbox", "kind": "folder", "path": str(tmp_path / "outbox")}
        settings = Settings.model_validate(
            {"data_dir": tmp_path, "destinations": [folder], "routes": []} | changes
        )
        started.append(couriers_of(settings, ledger, "worker", folders_in(settings.data_dir)))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()
        each.join(monotonic() + PATIENCE_SECONDS)


def until(condition: Callable[[], object], tick: Callable[[], object]) -> None:
    """Wait for a condition; `tick` is what the engine's threads do in the meantime."""

    def holds() -> object:
        tick()
        return condition()

    wait_for(holds)


def states(ledger: Ledger, *uids: str) -> list[str]:
    return [each.state for uid in uids for each in Images(ledger).versions(uid)[0].deliveries]


@pytest.fixture
def told() -> Iterator[Callable[[str], list[Any]]]:
    """Return the logged events of a name."""
    with capture_logs() as lines:
        yield lambda event: [line for line in lines if line["event"] == event]


Told = Callable[[str], list[Any]]
Start = Callable[..., Couriers]


def test_what_is_due_is_delivered(ledger: Ledger, images: list[str], couriers: Start) -> None:
    running = couriers()
    until(lambda: states(ledger, *images) == ["stored"] * 3, running.wake)


def test_couriers_follow_the_ledger(ledger: Ledger, images: list[str], couriers: Start) -> None:
    """Results that begin anew, for a destination that is no longer configured, do not lie unseen."""
    outbox = Outbox(ledger)
    for delivery in outbox.claim("outbox", "earlier", 10):
        outbox.record_dead(delivery, "given up")
    running = couriers(destinations=[])
    Requeue(ledger).retry()
    running.watch()
    until(lambda: Images(ledger).away(), running.wake)
    assert Images(ledger).away() == [("outbox", "no destination of this name is configured")]
    assert states(ledger, *images) == ["pending"] * 3


class Stuck:
    """A sender of which one object does not end until it may."""

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.sent: list[str] = []

    def __call__(self, pending: list[PendingDelivery], *_: Any) -> Iterator[Outcome]:
        for delivery in pending:
            self.sent.append(delivery.sop_instance_uid)
            if delivery.sop_instance_uid == self.uid and not self.may_end.is_set():
                self.begun.set()
                self.may_end.wait(PATIENCE_SECONDS)
            yield Outcome(delivery, Verdict.DELIVERED)


def test_a_delivery_that_hangs_is_told_and_the_others_go_on(
    ledger: Ledger,
    images: list[str],
    couriers: Start,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck = Stuck("2.25.1")
    monkeypatch.setattr(ResultsFolder, "deliver", stuck)
    monkeypatch.setattr(ResultsFolder, "timeout_seconds", 0.1)
    monkeypatch.setattr(attempts, "LEAST_BYTES_PER_SECOND", 1e9)
    monkeypatch.setattr(couriers_module, "GRACE_SECONDS", 0.0)
    running = couriers()

    def tick() -> None:
        running.wake()
        running.watch()

    until(lambda: Images(ledger).hanging(), tick)
    assert [name for name, _ in Images(ledger).hanging()] == ["outbox"]
    until(lambda: states(ledger, *images) == ["pending", "stored", "stored"], tick)
    assert stuck.sent.count("2.25.1") == 1, "it is in nobody else's hand while the first has it"
    stuck.may_end.set()
    until(lambda: states(ledger, *images) == ["stored"] * 3, tick)
    until(lambda: not Images(ledger).hanging(), tick)
    assert stuck.sent.count("2.25.1") == 1
    line = told("delivery_hangs")[0]
    assert (line["destination"], line["result_sop_instance_uid"]) == ("outbox", "2.25.1")
    assert told("courier_replaced")


def test_a_hang_that_can_be_ended_waits_for_its_turn(
    ledger: Ledger,
    images: list[str],
    couriers: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that is never readable hangs its thread until the pipe is opened: then that shift is over."""
    pipe = tmp_path / "results" / "2.25.1.dcm"
    pipe.unlink()
    os.mkfifo(pipe)
    monkeypatch.setattr(ResultsFolder, "timeout_seconds", 0.1)
    running = couriers()

    def tick() -> None:
        running.wake()
        running.watch()

    until(lambda: Images(ledger).hanging(), tick)
    with pipe.open("wb"):
        pipe.unlink()
        pipe.write_bytes(encoded(dx(SOPInstanceUID="2.25.1")))
    until(lambda: states(ledger, *images)[1:] == ["stored"] * 2, tick)
    until(lambda: not Images(ledger).hanging(), tick)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_courier_that_died_is_replaced(
    ledger: Ledger,
    images: list[str],
    couriers: Start,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, deaths = Attempt.run, list[str]()

    def die_once(self: Any, claimed: Any) -> None:
        if not deaths:
            deaths.append(threading.current_thread().name)
            raise SystemExit
        real(self, claimed)

    monkeypatch.setattr(Attempt, "run", die_once)
    running = couriers()

    def tick() -> None:
        running.wake()
        running.watch()

    until(lambda: states(ledger, *images) == ["stored"] * 3, tick)
    assert deaths
    assert told("courier_died")
    assert told("courier_replaced")


@pytest.mark.usefixtures("images")
def test_what_is_due_is_found_by_one_query(ledger: Ledger) -> None:
    outbox = Outbox(ledger)
    for name in ("outbox", *(f"idle-{number}" for number in range(50))):
        outbox.add_destination(name)
    assert outbox.next_due() == {"outbox": AT_ONCE}
    outbox.record_away("outbox", "nobody there", 3600)
    assert outbox.next_due()["outbox"] > now()
    outbox.record_reached("outbox")
    assert outbox.next_due() == {"outbox": AT_ONCE}
    for delivery in outbox.claim("outbox", "worker", 10):
        assert delivery.begun_at <= now()
    assert outbox.next_due() == {}


@pytest.mark.usefixtures("images")
def test_a_thread_that_is_replaced_as_its_courier_stops_stops_too(
    couriers: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    courier = couriers()._couriers["outbox"]
    new_shift = courier._new_shift

    def build_late(held: PendingDelivery | None) -> Shift:
        courier.stop()
        courier.join(PATIENCE_SECONDS)
        return new_shift(held)

    monkeypatch.setattr(courier, "_new_shift", build_late)
    courier._replace()
    courier.join(PATIENCE_SECONDS)
    assert courier._shift.is_over

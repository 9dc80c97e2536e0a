"""Files go when their work is done and their time is over, never before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.errors import GatewayError
from gateway.records import Reason, State
from gateway.settings import Retention
from gateway.store import clock
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.pictures import Kind, Pictures
from gateway.store.queries.images import Images
from gateway.store.requeue import Requeue
from gateway.store.retention import DAY_SECONDS, LONG_AGO, Cleaner, Rule, candidates_of
from tests.support.ledger_rows import answer, claim, received, record_answer
from tests.support.query_plans import plans_of
from tests.support.worker import folders_in

NEVER = Retention(received_days=None, results_days=None, failed_days=None)
AT_ONCE = Retention(received_days=0, results_days=0, failed_days=0)
BYTES = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("spool/00", "results"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def arrive(ledger: Ledger, folder: Path, number: int = 1) -> None:
    """Receive one image, with its file."""
    image = received(folder, number)
    image.path.write_bytes(bytes(BYTES))
    ledger.record_received(image)


def settle(ledger: Ledger, folder: Path, *destinations: str, number: int = 1) -> None:
    """Answer what has arrived, with the result's file; without destinations it is delivered at once."""
    (image,) = claim(ledger, f"batch {number}")
    record = answer(folder, *(destinations or ("done",)), uid=f"2.25.{number}")
    for result in record.results:
        result.path.write_bytes(bytes(BYTES))
    record_answer(ledger, image, record)
    for delivery in Outbox(ledger).claim("done", "worker", 10):
        Outbox(ledger).record_stored(delivery)


def fail(ledger: Ledger) -> None:
    (image,) = claim(ledger, "batch")
    with ledger.session() as session:
        ledger.end(session, image, State.FAILED, Reason.UNDECODABLE, "no image")


def clean(ledger: Ledger, folder: Path, rules: Retention) -> None:
    pictures = Pictures(folder / "pictures", BYTES)
    Cleaner(rules, ledger, folders_in(folder), pictures).clean()


def left(folder: Path) -> int:
    return sum(path.is_file() for name in ("spool", "results") for path in (folder / name).rglob("*"))


def test_what_waits_stays(ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    clean(ledger, folder, AT_ONCE)
    assert left(folder) == 1


def test_an_answer_without_a_route_stays(ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    (image,) = claim(ledger, "batch")
    record = answer(folder)
    record.results[0].path.write_bytes(bytes(BYTES))
    record_answer(ledger, image, record)
    clean(ledger, folder, AT_ONCE)
    assert left(folder) == 2


def test_what_is_not_delivered_everywhere_stays(ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    settle(ledger, folder, "near", "far")
    (near,) = Outbox(ledger).claim("near", "here-1", 10)
    Outbox(ledger).record_stored(near)
    clean(ledger, folder, AT_ONCE.model_copy(update={"max_disk_gb": 0}))
    assert left(folder) == 2


@pytest.mark.parametrize(
    ("rules", "files"),
    [
        (AT_ONCE, 0),
        (NEVER, 2),
        (Retention(), 2),
        (NEVER.model_copy(update={"received_days": 0}), 1),
        (NEVER.model_copy(update={"results_days": 0}), 1),
        (NEVER.model_copy(update={"failed_days": 0}), 2),
    ],
)
def test_what_is_done_goes_by_age(ledger: Ledger, folder: Path, rules: Retention, files: int) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    clean(ledger, folder, rules)
    assert left(folder) == files


def test_pictures_go_with_what_they_show(ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    pictures = Pictures(folder / "pictures", BYTES)
    for kind in Kind:
        assert pictures.keep(received(folder).path, kind, b"grey")
    clean(ledger, folder, NEVER.model_copy(update={"results_days": 0}))
    assert len(list((folder / "pictures").iterdir())) == len(Kind)
    clean(ledger, folder, NEVER.model_copy(update={"received_days": 0}))
    assert list((folder / "pictures").iterdir()) == []


def test_what_failed_has_its_own_time(ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    fail(ledger)
    clean(ledger, folder, AT_ONCE.model_copy(update={"failed_days": None, "max_disk_gb": 0}))
    assert left(folder) == 1
    clean(ledger, folder, NEVER.model_copy(update={"failed_days": 0}))
    assert left(folder) == 0


def test_beyond_the_disk_s_share_everything_done_goes(ledger: Ledger, folder: Path) -> None:
    for number in (1, 2):
        arrive(ledger, folder, number)
        settle(ledger, folder, number=number)
    clean(ledger, folder, NEVER.model_copy(update={"max_disk_gb": 5 * BYTES / 1e9}))
    assert left(folder) == 4
    clean(ledger, folder, NEVER.model_copy(update={"max_disk_gb": BYTES / 1e9}))
    assert left(folder) == 0


def test_a_deletion_is_told_once(ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    for _ in range(2):
        clean(ledger, folder, NEVER.model_copy(update={"received_days": 0}))
    (image,) = Images(ledger).versions("1.2.1")
    assert image.source_deleted_at
    (event,) = [event for event in image.events if event.event == "deleted"]
    assert (event.data["what"], event.data["why"]) == ("received", "older than 0 days")


def test_a_file_that_is_gone_is_told_all_the_same(ledger: Ledger, folder: Path) -> None:
    """As after a kill between the deletion and the commit."""
    arrive(ledger, folder)
    settle(ledger, folder)
    received(folder).path.unlink()
    clean(ledger, folder, AT_ONCE)
    (image,) = Images(ledger).versions("1.2.1")
    assert image.source_deleted_at


def test_what_is_sent_again_is_there_again(ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    clean(ledger, folder, AT_ONCE)
    with pytest.raises(GatewayError, match="send it again"):
        Requeue(ledger).reprocess("1.2.1")
    assert ledger.record_received(received(folder)) is Arrival.RESENT
    (image,) = Images(ledger).versions("1.2.1")
    assert image.source_deleted_at is None
    Requeue(ledger).reprocess("1.2.1")


@pytest.mark.parametrize("received", [True, False])
def test_what_was_deleted_long_ago_is_not_looked_at(ledger: Ledger, received: bool) -> None:
    rule = Rule((State.DELIVERED, State.INELIGIBLE), 30, received, not received, "")
    with plans_of(ledger._engine) as plans, ledger.transaction() as connection:
        for candidates in candidates_of(rule):
            connection.execute(candidates.after(LONG_AGO, 0))
    plan = [step for steps in plans.values() for step in steps]
    by_age = "state=? AND state_at>? AND state_at<?" if received else "created_at>? AND created_at<?"
    index = f"{'ix_instances_kept' if received else 'ix_results_kept'} ({by_age})"
    assert any(index in step for step in plan), plan
    assert not any(step.startswith("SCAN") for step in plan), plan


# --- clocks that are set


MONTH = Retention(received_days=30, results_days=30, failed_days=30)
WRONG = timedelta(days=100)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    counted = Counted()
    monkeypatch.setattr(clock, "counter", lambda: counted.seconds)
    counted.set(datetime.now(UTC))
    yield counted
    clock.forget()


@dataclass
class Counted:
    """The ledger's clock in the hands of a test."""

    seconds: float = 1000.0

    def set(self, time: datetime) -> None:
        """Set the clock; no time passes."""
        clock.note(time, self.seconds)

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


def cleaner(ledger: Ledger, folder: Path) -> Cleaner:
    return Cleaner(MONTH, ledger, folders_in(folder), Pictures(folder / "pictures", BYTES))


def test_a_clock_that_is_set_ahead_and_back_deletes_nothing(
    counted: Counted, ledger: Ledger, folder: Path
) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    right, at_work = clock.now(), cleaner(ledger, folder)
    at_work.clean()
    counted.set(right + WRONG)
    with capture_logs() as log:
        for _ in range(3):
            at_work.clean()
            counted.go_on(600)
    assert [(each["event"], each["seconds"]) for each in log] == [("clock_ahead", WRONG.total_seconds())]
    counted.set(right)
    at_work.clean()
    assert left(folder) == 2


def test_a_clock_that_stays_ahead_for_a_day_is_believed(
    counted: Counted, ledger: Ledger, folder: Path
) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    at_work = cleaner(ledger, folder)
    at_work.clean()
    counted.set(clock.now() + WRONG)
    at_work.clean()
    assert left(folder) == 2
    counted.go_on(DAY_SECONDS + 1)
    at_work.clean()
    assert left(folder) == 0


def test_a_machine_that_starts_with_a_clock_far_ahead_deletes_nothing_at_once(
    counted: Counted, ledger: Ledger, folder: Path
) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    counted.set(clock.now() + WRONG)
    at_work = cleaner(ledger, folder)
    counted.go_on(600)
    arrive(ledger, folder, 2)  # an event by the wrong clock
    at_work.clean()
    assert left(folder) == 3


def test_while_the_clock_runs_on_files_go_in_time(counted: Counted, ledger: Ledger, folder: Path) -> None:
    arrive(ledger, folder)
    settle(ledger, folder)
    at_work = cleaner(ledger, folder)
    at_work.clean()
    counted.go_on(31 * DAY_SECONDS)
    at_work.clean()
    assert left(folder) == 0

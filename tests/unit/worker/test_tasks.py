"""A worker's tasks run when the bell rings and when work falls due, also after an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from queue import Queue

import pytest
from structlog.testing import capture_logs

from gateway.errors import Retry
from gateway.store.clock import now
from gateway.store.doorbell import Doorbell, Doorbells, Work
from gateway.worker import tasks as module
from gateway.worker.tasks import Tasks
from tests.support.gateway_process import PATIENCE_SECONDS


class Runs:
    """A task that notes when it is run."""

    __name__ = "noted"

    def __init__(self, *outcomes: datetime | Exception | None) -> None:
        self._outcomes = list(outcomes)
        self._times: Queue[datetime] = Queue()

    def __call__(self) -> datetime | None:
        self._times.put(now())
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def next(self) -> datetime:
        """Return the time of the next run."""
        return self._times.get(timeout=PATIENCE_SECONDS)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Runs], None]]:
    """Return a function that runs a task upon a bell which nobody else need ring."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 3600.0)
    stopping = threading.Event()
    tasks = Tasks(stopping)
    yield lambda task: tasks.upon(Doorbell(tmp_path, "here-1", Work.ANSWERS), task, PATIENCE_SECONDS)
    stopping.set()
    tasks.join()


Start = Callable[[Runs], None]


def test_a_task_is_run_at_the_start_and_for_each_ring(start: Start, tmp_path: Path) -> None:
    task = Runs()
    start(task)
    task.next()
    for _ in range(3):
        Doorbells(tmp_path).ring(Work.ANSWERS)
        task.next()


def test_a_task_is_run_when_work_falls_due(start: Start) -> None:
    due = now() + timedelta(seconds=0.3)
    task = Runs(due)
    start(task)
    task.next()
    assert task.next() >= due - timedelta(milliseconds=5)


def test_a_task_that_cannot_be_done_now_is_run_again_and_told_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    task = Runs(Retry("away"), Retry("away"), ZeroDivisionError())
    with capture_logs() as log:
        start(task)
        for _ in range(4):
            task.next()
    assert [line["event"] for line in log] == ["waiting", "bug"]

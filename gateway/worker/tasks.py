"""Runs the tasks of a worker again and again: at intervals, or whenever its doorbell rings or work falls due.

The engine starts one thread for each task. A task that raises is run again after `RETRY_SECONDS`; the log
tells of a database that is away once, and of a bug each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from gateway.errors import Retry
from gateway.store.clock import now
from gateway.store.database_errors import errors_are_for_later
from gateway.store.doorbell import LOOK_SECONDS, Doorbell
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.threads import Vital

RETRY_SECONDS = 5.0


class Tasks:
    """The threads of one worker.

    Parameters
    ----------
    stopping
        Once set, no task is begun any more.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._threads: list[threading.Thread] = []
        self._bells: list[Doorbell] = []

    def every(self, seconds: float, task: Callable[[], None], hangs_seconds: float = float("inf")) -> None:
        """Run a task at intervals; a run that takes longer than `hangs_seconds` hangs."""

        def turn() -> None:
            self._stopping.wait(seconds)
            if not self._stopping.is_set():
                task()

        self._start(task.__name__, turn, hangs_seconds)

    def upon(self, bell: Doorbell, task: Callable[[], datetime | None], hangs_seconds: float) -> None:
        """Run a task now, whenever the bell rings, and at the time that its last run returned.

        Where the bell stays silent the task is run every `LOOK_SECONDS`.
        """
        self._bells.append(bell)

        def turn() -> None:
            due = task()
            seconds = LOOK_SECONDS if due is None else (due - now()).total_seconds()
            bell.wait(min(seconds, LOOK_SECONDS))

        self._start(task.__name__, turn, hangs_seconds)

    def join(self) -> None:
        """Wait for the ends of the tasks that are running: `stopping` is set."""
        for bell in self._bells:
            bell.ring()
        for thread in self._threads:
            thread.join()

    def _start(self, name: str, turn: Callable[[], None], hangs_seconds: float) -> None:
        def repeat() -> None:
            told = ""  # a database that is away for hours is told once
            while not self._stopping.is_set():
                thread.note_progress()
                try:
                    with errors_are_for_later():
                        turn()
                    told = ""
                except Retry as error:
                    if told != (told := str(error)):
                        log_event(Event.WAITING, task=thread.name, reason=told)
                    self._stopping.wait(RETRY_SECONDS)
                except Exception:
                    log_bug(Event.BUG, task=thread.name)
                    self._stopping.wait(RETRY_SECONDS)

        thread = Vital(repeat, name.strip("_"), hangs_seconds)
        thread.start()
        self._threads.append(thread)

"""A thread that delivers what is due at one destination, until it is stopped or replaced by its courier."""

from __future__ import annotations

import threading

from gateway.deliver.attempt import Attempt, InHand
from gateway.errors import Retry
from gateway.store.entries import PendingDelivery
from gateway.store.outbox import Outbox
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event

RETRY_SECONDS = 5.0
OBJECTS_PER_ROUND = 100  # over one association


class Shift:
    """Works round after round, whenever it is woken.

    Parameters
    ----------
    worker_id
        Takes deliveries in hand; deliveries that it holds already were left by an earlier shift.
    stopping
        The attempt's, too: once set, nothing more is begun.
    but
        A delivery that an earlier shift still has in hand.
    """

    def __init__(
        self,
        name: str,
        outbox: Outbox,
        attempt: Attempt,
        worker_id: str,
        stopping: threading.Event,
        but: PendingDelivery | None = None,
    ) -> None:
        self._name = name
        self._outbox = outbox
        self._attempt = attempt
        self._worker_id = worker_id
        self._but = but
        self._is_left_over = True
        self._is_replaced = False
        self._lock = threading.Lock()
        self._stopping = stopping
        self._due = threading.Event()
        self._due.set()
        self._thread = threading.Thread(target=self._run, name=f"deliver to {name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look for what is due."""
        self._due.set()

    def stop(self) -> None:
        """Take nothing more in hand; the object that is being sent has a few seconds left."""
        self._stopping.set()
        self._due.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end of the round."""
        self._thread.join(timeout_seconds)

    def replace(self) -> None:
        """Let a thread that does not end keep what it has in hand, and nothing else."""
        with self._lock:
            self._is_replaced = True

    def forget_predecessor(self) -> None:
        """The earlier shift has nothing in hand any more."""
        self._but = None

    @property
    def is_over(self) -> bool:
        """Tell whether the thread has ended."""
        return not self._thread.is_alive()

    @property
    def hanging(self) -> InHand | None:
        """The object that has been in hand for too long, if there is one."""
        return self._attempt.hanging

    def give_back(self, delivery: PendingDelivery, error: str) -> None:
        """Let an object that was taken from this shift wait, unless its end is recorded."""
        if self._outbox.is_held(delivery, self._worker_id):
            self._attempt.give_back(delivery, error)

    def _run(self) -> None:
        told = ""  # a database that is away for hours is told once
        while self._due.wait() and not self._stopping.is_set():
            self._due.clear()
            try:
                self._put_back()
                self._deliver()  # whoever wakes has found something due
                while not self._stopping.is_set() and self._outbox.has_due(self._name):
                    self._deliver()
                told = ""
            except Retry as error:
                if told != (told := str(error)):
                    log_event(Event.WAITING, destination=self._name, reason=told)
                self._begin_anew_later()
            except Exception:
                log_bug(Event.BUG, destination=self._name)
                self._begin_anew_later()

    def _begin_anew_later(self) -> None:
        self._stopping.wait(RETRY_SECONDS)
        self._due.set()

    def _deliver(self) -> None:
        self._is_left_over = True
        claimed = self._outbox.claim(self._name, self._worker_id, OBJECTS_PER_ROUND)
        if not claimed:  # another worker was faster
            self._is_left_over = False
            return
        self._attempt.run(claimed)
        self._is_left_over = self._stopping.is_set()
        with self._lock:
            if not self._is_replaced:  # else another shift holds deliveries under the same name
                self._release(interrupted=self._stopping.is_set())

    def _release(self, *, interrupted: bool) -> None:
        self._outbox.release(self._worker_id, self._name, interrupted=interrupted, but=self._but)

    def _put_back(self) -> None:
        """Release what this worker holds since its last life, or since a round that went wrong."""
        if self._is_left_over:
            self._release(interrupted=True)
            self._is_left_over = False

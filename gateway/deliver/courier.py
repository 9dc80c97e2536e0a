"""One courier for each destination and worker: whatever a destination does, the others do not wait for it.

A thread that has died, or has had an object in hand for too long, is replaced; the log, `gateway doctor` and
`/health/ready` say so. An object is never sent by two threads at once: one that cannot be stopped keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from gateway.deliver.attempt import InHand
from gateway.deliver.shift import Shift
from gateway.store.clock import now
from gateway.store.entries import PendingDelivery
from gateway.store.outbox import Outbox
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

GRACE_SECONDS = 10.0  # for the end of an exchange that was told to stop


@dataclass(frozen=True, slots=True)
class Hang:
    """A shift that was told to stop, at that monotonic time, because of the object that it has in hand."""

    shift: Shift
    held: InHand
    noticed: float


class Courier:
    """Delivers what is due at one destination.

    Parameters
    ----------
    name
        Of the destination; one that is no longer configured only gives up what is left for it.
    new_shift
        Builds a shift; it leaves alone the delivery that an earlier shift still has in hand.
    """

    def __init__(
        self, name: str, outbox: Outbox, new_shift: Callable[[PendingDelivery | None], Shift]
    ) -> None:
        self._name = name
        self._outbox = outbox
        self._new_shift = new_shift
        self._is_stopping = False
        self._hang: Hang | None = None
        self._shift = new_shift(None)

    def start(self) -> None:
        """Begin to deliver."""
        self._outbox.add_destination(self._name)
        self._outbox.record_hang(self._name, None)
        self._shift.start()

    def wake(self) -> None:
        """Look for what is due."""
        self._shift.wake()

    def stop(self) -> None:
        """Take nothing more in hand; the object that is being sent has a few seconds left."""
        self._is_stopping = True
        self._shift.stop()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end of the round. What it leaves is sent again after the next start."""
        self._shift.join(timeout_seconds)

    def watch(self) -> None:
        """Notice a thread that has died or hangs, and replace it."""
        if self._is_stopping:
            return
        if self._hang:
            self._end(self._hang)
        elif self._shift.is_over:
            log_event(Event.COURIER_DIED, destination=self._name)
            self._replace()
        elif held := self._shift.hanging:
            self._notice(held)

    def _notice(self, held: InHand) -> None:
        self._hang = Hang(self._shift, held, monotonic())
        uid = held.delivery.sop_instance_uid
        seconds = round(monotonic() - held.since)
        log_event(Event.DELIVERY_HANGS, destination=self._name, result_sop_instance_uid=uid, seconds=seconds)
        self._record(held)
        self._shift.stop()

    def _end(self, hang: Hang) -> None:
        """Replace the shift once it has ended; if it does not, let another one do the rest meanwhile."""
        if hang.shift.is_over:
            seconds = monotonic() - hang.held.since
            hang.shift.give_back(hang.held.delivery, f"in hand for {seconds:.0f} s without an end")
            if hang.shift is self._shift:
                self._replace()
            self._shift.forget_predecessor()
            self._hang = None
            self._outbox.record_hang(self._name, None)
            return
        self._record(hang.held)
        if hang.shift is self._shift and monotonic() - hang.noticed > GRACE_SECONDS:
            hang.shift.replace()
            self._replace(hang)

    def _replace(self, hang: Hang | None = None) -> None:
        self._shift = self._new_shift(hang.held.delivery if hang else None)
        if self._is_stopping:  # `stop` may have seen the former one alone
            self._shift.stop()
        self._shift.start()
        log_event(Event.COURIER_REPLACED, destination=self._name)

    def _record(self, held: InHand) -> None:
        self._outbox.record_hang(self._name, now() - timedelta(seconds=monotonic() - held.since))

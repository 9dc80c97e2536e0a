"""A worker's couriers: one for each destination that is configured, or that the ledger has something for.

One query in the ledger finds what is due for all of them; each is woken only then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic

from gateway.deliver.courier import Courier
from gateway.store.clock import now
from gateway.store.outbox import Outbox


class Couriers:
    """Starts couriers, wakes them, watches over them. Methods raise `Retry` when the database is away.

    Parameters
    ----------
    configured
        The names of the destinations in the settings.
    new_courier
        Builds the courier of a destination.
    """

    def __init__(
        self, configured: Sequence[str], outbox: Outbox, new_courier: Callable[[str], Courier]
    ) -> None:
        self._configured = configured
        self._outbox = outbox
        self._new_courier = new_courier
        self._lock = threading.Lock()
        self._couriers: dict[str, Courier] = {}
        self._is_stopping = False

    def start(self) -> None:
        """Begin to deliver to all that is configured, and to what the ledger knows besides."""
        for name in self._configured:
            self._courier(name)
        self.watch()

    def wake(self) -> datetime | None:
        """Wake those for whose destinations something is due; return when more falls due, None for never."""
        next_due, present = self._outbox.next_due(), now()
        for name in [name for name, time in next_due.items() if time <= present]:
            if courier := self._courier(name):
                courier.wake()
        return min((time for time in next_due.values() if time > present), default=None)

    def watch(self) -> None:
        """Follow the ledger, as results may be retried to where no courier goes; replace what hangs."""
        for name in self._outbox.destinations():
            self._courier(name)
        with self._lock:
            couriers = list(self._couriers.values())
        for courier in couriers:
            courier.watch()

    def stop(self) -> None:
        """Take nothing more in hand."""
        with self._lock:
            self._is_stopping = True
            for courier in self._couriers.values():
                courier.stop()

    def join(self, deadline: float) -> None:
        """Wait for the ends of their rounds until that monotonic time."""
        for courier in self._couriers.values():
            courier.join(max(0.0, deadline - monotonic()))

    def _courier(self, name: str) -> Courier | None:
        with self._lock:
            if name not in self._couriers and not self._is_stopping:
                courier = self._new_courier(name)
                courier.start()
                self._couriers[name] = courier
            return self._couriers.get(name)

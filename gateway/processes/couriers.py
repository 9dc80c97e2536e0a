"""Builds the couriers of a worker: a part of its composition root that needs neither model nor engine."""

from __future__ import annotations

import threading

from gateway.deliver.attempt import Attempt
from gateway.deliver.courier import Courier
from gateway.deliver.couriers import Couriers
from gateway.deliver.shift import Shift
from gateway.settings import Settings
from gateway.store.commitments import Commitments
from gateway.store.entries import PendingDelivery
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox


def couriers_of(settings: Settings, ledger: Ledger, worker_id: str) -> Couriers:
    """Return couriers that take deliveries in hand under `worker_id`; none is started."""
    outbox, commitments = Outbox(ledger), Commitments(ledger)

    def courier(name: str) -> Courier:
        def shift(held_back: PendingDelivery | None) -> Shift:
            stopping = threading.Event()
            attempt = Attempt(name, settings, outbox, commitments, stopping)
            return Shift(name, outbox, attempt, worker_id, stopping, held_back)

        return Courier(name, outbox, shift)

    return Couriers([each.name for each in settings.destinations], outbox, courier)

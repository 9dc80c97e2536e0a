"""Builds the couriers of a worker: a part of its composition root that needs neither model nor engine."""

from __future__ import annotations

import threading
from functools import partial

from gateway.deliver.attempt import Attempt, delay_seconds
from gateway.deliver.courier import Courier
from gateway.deliver.couriers import Couriers
from gateway.deliver.destinations import KINDS, Kinds, Unconfigured, open_destinations
from gateway.deliver.shift import Shift
from gateway.settings import Settings
from gateway.store.commitments import Commitments
from gateway.store.entries import PendingDelivery
from gateway.store.ledger import Ledger
from gateway.store.objects import Stores
from gateway.store.outbox import Outbox


def couriers_of(
    settings: Settings, ledger: Ledger, worker_id: str, stores: Stores, kinds: Kinds = KINDS
) -> Couriers:
    """Return couriers that take deliveries in hand under `worker_id`; none is started."""
    outbox = Outbox(ledger)
    commitments = Commitments(ledger, partial(delay_seconds, rules=settings.delivery))
    destinations = open_destinations(settings, kinds)

    def courier(name: str) -> Courier:
        def shift(held_back: PendingDelivery | None) -> Shift:
            stopping = threading.Event()
            destination = destinations.get(name) or Unconfigured(name)
            attempt = Attempt(destination, settings.delivery, outbox, commitments, stores, stopping)
            return Shift(name, outbox, attempt, worker_id, stopping, held_back)

        return Courier(name, outbox, shift)

    return Couriers(list(destinations), outbox, courier)

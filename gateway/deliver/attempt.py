"""One attempt at a destination, with what the ledger and the log must know of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

from gateway.deliver.c_store import deliver_by_c_store
from gateway.deliver.folder import deliver_to_folder
from gateway.deliver.outcome import Outcome, Verdict
from gateway.log import log_event
from gateway.settings import Delivery, Destination, FolderDestination
from gateway.store.entries import PendingDelivery
from gateway.store.ledger import now
from gateway.store.outbox import Outbox


def attempt(
    destination: Destination,
    delivery_ids: Sequence[int],
    outbox: Outbox,
    rules: Delivery,
    calling_ae_title: str,
) -> list[int]:
    """Try everything that the destination does not have yet; return what must be tried again."""
    pending = outbox.pending(delivery_ids)
    outcomes = _deliver(destination, pending, calling_ae_title) if pending else ()
    return [
        outcome.delivery.id
        for outcome in outcomes
        if _record(outcome, destination.name, outbox, rules) is Verdict.LATER
    ]


def delay_seconds(attempts: int, rules: Delivery) -> float:
    """Return how long to wait after so many failed attempts: doubling, bounded, with jitter of ±20 %."""
    longest = min(rules.longest_retry_seconds, rules.first_retry_seconds * 2.0 ** min(attempts - 1, 30))
    return longest * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret


def _deliver(
    destination: Destination, pending: Sequence[PendingDelivery], calling_ae_title: str
) -> Iterator[Outcome]:
    if isinstance(destination, FolderDestination):
        return deliver_to_folder(destination, pending)
    return deliver_by_c_store(destination, pending, calling_ae_title)


def _record(outcome: Outcome, destination: str, outbox: Outbox, rules: Delivery) -> Verdict:
    delivery = outcome.delivery
    error = outcome.error or ""
    if outcome.verdict is Verdict.DELIVERED:
        outbox.record_delivered(delivery, destination)
        _log("delivered", delivery, destination)
        return Verdict.DELIVERED
    outbox.record_failure(delivery, destination, error)
    _log("delivery_failed", delivery, destination, error=error)
    too_old = now() - delivery.created_at > timedelta(hours=rules.give_up_after_hours)
    if outcome.verdict is Verdict.NEVER or too_old:
        outbox.record_dead(delivery, destination, error)
        _log("dead_lettered", delivery, destination, error=error)
        return Verdict.NEVER
    return Verdict.LATER


def _log(event: str, delivery: PendingDelivery, destination: str, **data: str) -> None:
    log_event(
        event,
        sop_instance_uid=delivery.source_sop_instance_uid,
        study_instance_uid=delivery.study_instance_uid,
        calling_ae_title=delivery.calling_ae_title,
        destination=destination,
        kind=delivery.kind.value,
        result_sop_instance_uid=delivery.sop_instance_uid,
        **data,
    )

"""What is still to be delivered where; the image's state follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, ResultKind, State
from gateway.store.entries import DeliveryState, PendingDelivery
from gateway.store.ledger import Ledger, now, record_event
from gateway.store.schema import deliveries, instances, results


class Outbox:
    """The ledger's deliveries. Methods raise `Retry` when the database is away or locked."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def pending(self, delivery_ids: Sequence[int]) -> list[PendingDelivery]:
        """Return those of the deliveries that have not ended, in the order of their images."""
        query = (
            sa.select(
                deliveries.c.id,
                results.c.instance_id,
                instances.c.sop_instance_uid.label("source_sop_instance_uid"),
                instances.c.study_instance_uid,
                instances.c.calling_ae_title,
                results.c.kind,
                results.c.sop_class_uid,
                results.c.sop_instance_uid,
                results.c.path,
                results.c.created_at,
            )
            .join(results, results.c.id == deliveries.c.result_id)
            .join(instances, instances.c.id == results.c.instance_id)
            .where(deliveries.c.id.in_(delivery_ids), deliveries.c.state == DeliveryState.PENDING)
            .order_by(deliveries.c.id)
        )
        with self._ledger.transaction() as connection:
            return [self._pending(row) for row in connection.execute(query)]

    def _pending(self, row: Any) -> PendingDelivery:
        values = dict(row._mapping)
        converted = {"kind": ResultKind(values["kind"]), "path": self._ledger.absolute(values["path"])}
        return PendingDelivery(**values | converted)

    def record_delivered(self, delivery: PendingDelivery, destination: str) -> None:
        """The destination has the object; with the last one the image is `delivered`."""
        with self._ledger.transaction() as connection:
            if _end(connection, delivery, DeliveryState.DELIVERED, None):
                record_event(connection, delivery.instance_id, "delivered", **_what(delivery, destination))
                _conclude(connection, delivery.instance_id)

    def record_failure(self, delivery: PendingDelivery, destination: str, error: str) -> None:
        """This attempt failed; another one follows."""
        with self._ledger.transaction() as connection:
            pending = (deliveries.c.id == delivery.id) & (deliveries.c.state == DeliveryState.PENDING)
            values = {"attempts": deliveries.c.attempts + 1, "last_error": error}
            connection.execute(sa.update(deliveries).where(pending).values(values))
            what = _what(delivery, destination)
            record_event(connection, delivery.instance_id, "delivery_failed", **what, error=error)

    def record_dead(self, delivery: PendingDelivery, destination: str, error: str) -> None:
        """No attempt follows: refused for good, or given up."""
        with self._ledger.transaction() as connection:
            if _end(connection, delivery, DeliveryState.DEAD, error):
                what = _what(delivery, destination)
                record_event(connection, delivery.instance_id, "dead_lettered", **what, error=error)
                _conclude(connection, delivery.instance_id)


def _end(
    connection: sa.Connection, delivery: PendingDelivery, state: DeliveryState, error: str | None
) -> bool:
    pending = (deliveries.c.id == delivery.id) & (deliveries.c.state == DeliveryState.PENDING)
    values: dict[str, Any] = {"state": state, "state_at": now(), "last_error": error}
    if state is DeliveryState.DELIVERED:
        values["attempts"] = deliveries.c.attempts + 1
    return connection.execute(sa.update(deliveries).where(pending).values(values)).rowcount == 1


def _conclude(connection: sa.Connection, instance_id: int) -> None:
    """Give the image its last state once none of its deliveries is pending."""
    query = (
        sa.select(deliveries.c.state, deliveries.c.destination)
        .join(results, results.c.id == deliveries.c.result_id)
        .where(results.c.instance_id == instance_id)
    )
    rows = connection.execute(query).all()
    if any(row.state == DeliveryState.PENDING for row in rows):
        return
    dead = sorted({row.destination for row in rows if row.state == DeliveryState.DEAD})
    values: dict[str, Any] = {"state": State.DELIVERED}
    if dead:
        detail = f"not delivered to {', '.join(dead)}; see the deliveries for the error"
        values = {"state": State.FAILED, "reason": Reason.NOT_DELIVERED, "detail": detail}
    this = (instances.c.id == instance_id) & (instances.c.state == State.INFERRED)
    connection.execute(sa.update(instances).where(this).values(**values, state_at=now()))


def _what(delivery: PendingDelivery, destination: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "kind": delivery.kind,
        "result_sop_instance_uid": delivery.sop_instance_uid,
    }

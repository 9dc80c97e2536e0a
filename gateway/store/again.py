"""What a person asks for: images and deliveries that had come to their end begin anew."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from gateway.errors import GatewayError
from gateway.records import Reason, State
from gateway.store.entries import AT_ONCE, DeliveryState
from gateway.store.ledger import Ledger, now, record_event
from gateway.store.requeue import Route, requeue
from gateway.store.schema import deliveries, destinations, instances, results


@dataclass(frozen=True, slots=True)
class Begun:
    """How many images go to the model again, and how many results to a destination.

    `unrouted` are calling AE titles of answers that still have no route.
    """

    images: int
    deliveries: int
    unrouted: tuple[str, ...] = ()


def nowhere(_: str) -> tuple[str, ...]:
    """No route."""
    return ()


class Again:
    """`gateway retry` and `gateway reprocess`. Workers find what is due by themselves, also later.

    Methods raise `Retry` when the database is away.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def retry(self, sop_instance_uid: str | None = None, route: Route = nowhere) -> Begun:
        """Begin anew what has failed: of one image, or of all.

        Dead deliveries are due at once; an answer without a destination goes where the present `route` leads;
        an image without an answer is `received` again.
        """
        chosen = sa.true() if sop_instance_uid is None else instances.c.sop_instance_uid == sop_instance_uid
        with self._ledger.transaction() as connection:
            revived = _revive(connection, chosen)
            routed = requeue(connection, chosen & _is_unrouted(), route, "retried")
            received = _receive_again(connection, chosen & ~_is_unrouted())
            return Begun(received, revived + routed.deliveries, routed.unrouted)

    def reprocess(self, sop_instance_uid: str) -> None:
        """Let the version that has an answer, else the newest, be answered again."""
        versions = sa.select(instances).where(instances.c.sop_instance_uid == sop_instance_uid)
        best_first = versions.order_by(instances.c.label.is_(None), instances.c.id.desc())
        with self._ledger.transaction() as connection:
            row = connection.execute(best_first.limit(1)).one()
            if row.file_deleted_at:
                raise GatewayError(f"{sop_instance_uid}: its file has been deleted; send it again first")
            earlier = {"label": row.label, "p_pneumonia": row.p_pneumonia, "state": row.state}
            record_event(connection, row.id, "reprocessed", **earlier)
            connection.execute(sa.update(instances).where(instances.c.id == row.id).values(_as_received()))


def _revive(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> int:
    """Make dead deliveries of standing results pending, and their destinations due."""
    query = (
        sa.select(deliveries.c.id, deliveries.c.destination, instances.c.id.label("instance_id"))
        .join(results, results.c.id == deliveries.c.result_id)
        .join(instances, instances.c.id == results.c.instance_id)
        .where(chosen, deliveries.c.state == DeliveryState.DEAD, results.c.superseded_at.is_(None))
        .where(results.c.file_deleted_at.is_(None))
    )
    dead = connection.execute(query).all()
    begun = {"state": DeliveryState.PENDING, "state_at": now(), "begun_at": now(), "not_before": AT_ONCE}
    for row in dead:
        this = deliveries.c.id == row.id
        connection.execute(sa.update(deliveries).where(this).values(open=True, attempts=0, asked=0, **begun))
    for instance_id in {row.instance_id for row in dead}:
        failed = (instances.c.id == instance_id) & (instances.c.state == State.FAILED)
        inferred = {"state": State.INFERRED, "state_at": now(), "reason": None, "detail": None}
        connection.execute(sa.update(instances).where(failed).values(inferred))
        record_event(connection, instance_id, "retried")
    names = {row.destination for row in dead}
    connection.execute(sa.update(destinations).where(destinations.c.name.in_(names)).values(retry_at=None))
    return len(dead)


def _is_unrouted() -> sa.ColumnElement[bool]:
    named = instances.c.reason.is_not(None) & (instances.c.reason == Reason.NOT_ROUTED)
    return (instances.c.state == State.FAILED) & named


def _receive_again(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> int:
    failed = chosen & (instances.c.state == State.FAILED) & instances.c.file_deleted_at.is_(None)
    again = sa.update(instances).where(failed).values(_as_received()).returning(instances.c.id)
    ids = connection.scalars(again).all()
    for instance_id in ids:
        record_event(connection, instance_id, "retried")
    return len(ids)


def _as_received() -> dict[str, object]:
    nothing = dict.fromkeys(("reason", "detail", "batch", "not_before"))
    return nothing | {"state": State.RECEIVED, "state_at": now(), "attempts": 0, "deaths": 0}

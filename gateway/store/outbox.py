"""Open deliveries by destination, and destinations that are away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from gateway.records import WITHDRAWALS, Stage
from gateway.store.clock import now
from gateway.store.doorbell import Work
from gateway.store.entries import AT_ONCE, DeliveryState, PendingDelivery, named
from gateway.store.ledger import Ledger
from gateway.store.outcome import HELD_IMAGES, hold, update_state, update_states
from gateway.store.schema import answers, deliveries, destinations, instances, results
from gateway.store.session import AuditEntry
from gateway.telemetry.events import Event


class Outbox:
    """The ledger's deliveries. Methods raise `Retry` when the database is away or locked.

    A worker claims what is due and says what became of each; what it still holds when it ends is released
    by itself at its next start, or by another worker.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # --- claims

    def has_due(self, destination: str) -> bool:
        """Tell whether something can be claimed, without a write lock."""
        with self._ledger.look() as connection:
            return connection.scalars(_IS_DUE, {"at": destination, "time": now()}).first() is not None

    def next_due(self) -> dict[str, datetime]:
        """Return when something can next be claimed for each destination: one query, a seek for each.

        A destination for which nothing waits is left out.
        """
        here = deliveries.c.destination == destinations.c.name
        waiting = sa.select(sa.func.min(deliveries.c.not_before)).where(here, _waits()).scalar_subquery()
        query = sa.select(destinations.c.name, waiting, destinations.c.retry_at)
        with self._ledger.look() as connection:
            rows = connection.execute(query.where(waiting.is_not(None))).all()
        return {name: max(first, retry_at or AT_ONCE) for name, first, retry_at in rows}

    def claim(self, destination: str, worker: str, limit: int) -> list[PendingDelivery]:
        """Take up to `limit` deliveries in hand, those that have waited longest first."""
        these = {"at": destination, "time": now(), "most": limit, "worker": worker}
        with self._ledger.statement() as connection:
            ids = connection.scalars(_CLAIM, these).all()
        if not ids:
            return []
        with self._ledger.look() as connection:  # SQLite's other writers do not wait for the reading
            return self.read(connection, deliveries.c.id.in_(ids))

    def release(
        self,
        worker: str,
        destination: str | None = None,
        *,
        interrupted: bool = False,
        but: PendingDelivery | None = None,
    ) -> None:
        """Give back what the worker holds, for that destination or for all, except one.

        What was `interrupted` may have arrived.
        """
        held = deliveries.c.open & (deliveries.c.worker_id == worker)
        if destination is not None:
            held &= deliveries.c.destination == destination
        else:  # for the index
            held &= deliveries.c.destination.in_(sa.select(_used().c.name))
        if but is not None:
            held &= deliveries.c.id != but.id
        values = {"worker_id": None} | ({"unsure": True} if interrupted else {})
        with self._ledger.look() as connection:
            if connection.scalars(sa.select(deliveries.c.id).where(held).limit(1)).first() is None:
                return  # as a rule, and then without the write lock
        with self._ledger.statement() as connection:
            connection.execute(sa.update(deliveries).where(held).values(values))
        self._ledger.ring(Work.DELIVERIES)

    def is_held(self, delivery: PendingDelivery, worker: str) -> bool:
        """Tell whether the worker still has it in hand."""
        held = sa.select(deliveries.c.id).where(
            deliveries.c.id == delivery.id, deliveries.c.worker_id == worker
        )
        with self._ledger.look() as connection:
            return connection.scalars(held).first() is not None

    def overdue(self, destination: str, begun_before: datetime) -> list[PendingDelivery]:
        """Return what is neither done nor in anybody's hand, and was begun before that time."""
        old = deliveries.c.open & deliveries.c.worker_id.is_(None) & (deliveries.c.begun_at < begun_before)
        with self._ledger.look() as connection:
            return self.read(connection, old & (deliveries.c.destination == destination))

    def read(self, connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[PendingDelivery]:
        """Return the deliveries that the condition picks, those that have waited longest first."""
        rows = connection.execute(_PENDING.where(which).order_by(deliveries.c.not_before, deliveries.c.id))
        return [self._pending(row) for row in rows]

    def _pending(self, row: Any) -> PendingDelivery:
        values = dict(row._mapping)
        values |= {each: self._ledger.absolute(values[each]) for each in ("path", "source_path")}
        values |= {each: values[each] or "" for each in ("sop_class_uid", "sop_instance_uid")}
        return PendingDelivery(**values | {"state": DeliveryState(values["state"])})

    # --- what became of one

    def record_stored(
        self,
        *stored: PendingDelivery,
        to_be_committed: bool = False,
        audit: Callable[[PendingDelivery], AuditEntry] | None = None,
    ) -> None:
        """One destination has these objects, in one transaction; with its last one an image is `delivered`.

        What is not pending any more, as another worker was faster, stays as it is.
        """
        these = {"deliveries": [each.id for each in stored], "time": now()}
        images = {each.instance_id for each in stored}
        with self._ledger.session() as session:
            if session.connection.dialect.name == "postgresql":
                these |= {"images": list(images)}
            change = _stored(session.connection.dialect.name, to_be_committed=to_be_committed)
            ids = set(session.connection.scalars(change, these))
            new = [each for each in stored if each.id in ids]
            for each in new:
                entry = audit(each) if audit else None
                session.tell(Event.DELIVERED, each.image, audit=entry, **what(each))
            if new:
                update_states(session.connection, {each.instance_id for each in new}, now())
            session.time(*({Stage.DELIVER: (now() - each.begun_at).total_seconds()} for each in new))

    def record_failure(
        self, delivery: PendingDelivery, error: str, delay_seconds: float = 0, *, unsure: bool = False
    ) -> None:
        """This attempt failed, or its end is unknown; another one follows."""
        values = {"attempts": deliveries.c.attempts + 1, "last_error": error}
        values |= {"unsure": True} if unsure else {}
        later = {"not_before": now() + timedelta(seconds=delay_seconds)} if delay_seconds else {}
        self._record(Event.DELIVERY_FAILED, delivery, delivery.state, values | later, error=error)

    def record_waiting(self, delivery: PendingDelivery, reason: str, delay_seconds: float) -> None:
        """The result cannot be read now: nothing was attempted."""
        values = {"last_error": reason, "not_before": now() + timedelta(seconds=delay_seconds)}
        with self._ledger.transaction() as connection:
            change(connection, delivery.id, delivery.state, delivery.state, values)

    def record_dead(self, delivery: PendingDelivery, error: str, *, audit: AuditEntry | None = None) -> None:
        """No attempt follows: refused for good, or given up."""
        values = {"last_error": error, "open": False}
        self._record(Event.DEAD_LETTERED, delivery, DeliveryState.DEAD, values, audit, error=error)

    def _record(
        self,
        event: Event,
        delivery: PendingDelivery,
        state: DeliveryState,
        values: dict[str, Any],
        audit: AuditEntry | None = None,
        **data: str,
    ) -> None:
        with self._ledger.session() as session:
            hold(session.connection, delivery.instance_id)
            if change(session.connection, delivery.id, delivery.state, state, values):
                session.tell(event, delivery.image, audit=audit, **what(delivery), **data)
                update_state(session.connection, delivery.instance_id, now())

    # --- destinations

    def destinations(self) -> list[str]:
        """Return the destinations for which something is left to do, also those not configured any more."""
        with self._ledger.look() as connection:
            return waiting_destinations(connection)

    def add_destination(self, name: str) -> None:
        """Begin to keep account of a destination."""
        with suppress(sa.exc.IntegrityError), self._ledger.transaction() as connection:  # it is known
            connection.execute(sa.insert(destinations).values(name=name))

    def failures(self, name: str) -> int:
        """Return how often in a row the destination was not reached."""
        with self._ledger.look() as connection:
            return connection.scalars(_FAILURES, {"at": name}).first() or 0

    def record_away(self, name: str, error: str, delay_seconds: float) -> None:
        """The destination was not reached: nothing is claimed for it before the delay is over."""
        retry_at = now() + timedelta(seconds=delay_seconds)
        self._set(name, failures=destinations.c.failures + 1, error=error, retry_at=retry_at)

    def record_hang(self, name: str, since: datetime | None) -> None:
        """A delivery has been in hand for too long since then; None once it has ended."""
        self._set(name, hangs_since=since)

    def record_reached(self, name: str) -> None:
        """The destination is there."""
        self._set(name, failures=0, error=None, retry_at=None)

    def _set(self, name: str, **values: Any) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(sa.update(destinations).where(destinations.c.name == name).values(values))


def change(
    connection: sa.Connection,
    delivery_id: int,
    before: DeliveryState,
    after: DeliveryState,
    values: dict[str, Any],
) -> bool:
    """Change a delivery that is still where it was; False if another worker was faster."""
    this = (deliveries.c.id == delivery_id) & deliveries.c.open & (deliveries.c.state == before)
    moved = {"state": after, "state_at": now()} if after is not before else {}
    statement = sa.update(deliveries).where(this).values({"worker_id": None} | moved | values)
    return connection.execute(statement).rowcount == 1


def what(delivery: PendingDelivery) -> dict[str, Any]:
    """Return what an event tells of a delivery."""
    return {"destination": delivery.destination, "kind": delivery.kind, **named(delivery)}


_PENDING = (
    sa.select(
        deliveries.c.id,
        results.c.instance_id,
        instances.c.sop_instance_uid.label("source_sop_instance_uid"),
        instances.c.study_instance_uid,
        instances.c.calling_ae_title,
        instances.c.path.label("source_path"),
        results.c.kind,
        results.c.media_type,
        results.c.sop_class_uid,
        results.c.sop_instance_uid,
        results.c.path,
        deliveries.c.begun_at,
        deliveries.c.destination,
        deliveries.c.state,
        deliveries.c.attempts,
        deliveries.c.last_error,
        deliveries.c.unsure,
        deliveries.c.asked,
        (answers.c.superseded_at.is_not(None) & results.c.kind.not_in(WITHDRAWALS)).label("is_superseded"),
    )
    .join(results, results.c.id == deliveries.c.result_id)
    .join(answers, answers.c.id == results.c.answer_id)
    .join(instances, instances.c.id == results.c.instance_id)
)


def _waits() -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.open, deliveries.c.worker_id.is_(None))


_AWAY = sa.and_(destinations.c.retry_at.is_not(None), destinations.c.retry_at > sa.bindparam("time"))
_DUE = sa.and_(
    deliveries.c.destination == sa.bindparam("at"),
    _waits(),
    deliveries.c.not_before <= sa.bindparam("time"),
    ~sa.exists().where(destinations.c.name == sa.bindparam("at"), _AWAY),
)
# built once: to build a statement takes longer than to execute it, and other writers wait meanwhile
_IS_DUE = sa.select(deliveries.c.id).where(_DUE).limit(1)
_TO_CLAIM = sa.select(deliveries.c.id).where(_DUE).order_by(deliveries.c.not_before, deliveries.c.id)
_CLAIM = (
    sa.update(deliveries)
    .where(deliveries.c.id.in_(_TO_CLAIM.limit(sa.bindparam("most")).with_for_update(skip_locked=True)))
    .values(worker_id=sa.bindparam("worker"))
    .returning(deliveries.c.id)
)
_FAILURES = sa.select(destinations.c.failures).where(destinations.c.name == sa.bindparam("at"))


@cache
def _stored(dialect: str, *, to_be_committed: bool) -> sa.Executable:
    """Make pending deliveries `stored`; a server keeps the states of their images from others first."""
    values: dict[str, Any] = {"attempts": deliveries.c.attempts + 1, "unsure": False, "worker_id": None}
    values |= {"not_before": AT_ONCE} if to_be_committed else {"last_error": None}
    values |= {"state": DeliveryState.STORED, "open": to_be_committed, "state_at": sa.bindparam("time")}
    these = deliveries.c.id.in_(sa.bindparam("deliveries", expanding=True)) & deliveries.c.open
    these &= deliveries.c.state == DeliveryState.PENDING
    if dialect == "postgresql":
        images = HELD_IMAGES.cte("images")
        these &= sa.select(sa.func.count()).select_from(images).scalar_subquery() > 0
    return sa.update(deliveries).where(these).values(values).returning(deliveries.c.id)


def waiting_destinations(connection: sa.Connection) -> list[str]:
    """Return the destinations for which something is left to do."""
    used = _used()
    open_there = sa.exists().where(deliveries.c.destination == used.c.name, deliveries.c.open)
    return list(connection.scalars(sa.select(used.c.name).where(open_there).order_by(used.c.name)))


def used_destinations(connection: sa.Connection) -> list[str]:
    """Return where anything was ever to go."""
    used = _used()
    return list(connection.scalars(sa.select(used.c.name).where(used.c.name.is_not(None))))


def _used() -> sa.CTE:
    """Every destination of a delivery, then null: one step through the index for each."""
    column = deliveries.c.destination
    used = sa.select(sa.func.min(column).label("name")).cte("used", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > used.c.name).scalar_subquery()
    return used.union_all(sa.select(following).where(used.c.name.is_not(None)))

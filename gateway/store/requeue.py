"""Puts results that stand back into the outbox: for destinations that have them, had them, or never did.

`gateway resend` and `gateway retry` do so. What is still under way stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, State
from gateway.store.entries import AT_ONCE, DeliveryState
from gateway.store.ledger import Ledger, now, record_event
from gateway.store.schema import deliveries, destinations, instances, results

Route = Callable[[str], Sequence[str]]
"""Names the destinations for a calling AE title."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """How many results go to a destination, of how many images, and what could not be sent.

    Attributes
    ----------
    unrouted
        Calling AE titles for which there is no route.
    deleted
        How many images' results have been deleted: `gateway reprocess` makes them anew.
    """

    deliveries: int
    images: int
    unrouted: tuple[str, ...] = ()
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """Which images' results are sent again: all conditions that are stated hold."""

    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    since: datetime | None = None

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """The images, as a condition on their rows."""
        conditions: list[sa.ColumnElement[bool]] = []
        if self.sop_instance_uid is not None:
            conditions.append(instances.c.sop_instance_uid == self.sop_instance_uid)
        if self.study_instance_uid is not None:
            conditions.append(instances.c.study_instance_uid == self.study_instance_uid)
        if self.since is not None:
            conditions.append(instances.c.received_at >= self.since)
        return sa.and_(sa.true(), *conditions)


def resend(ledger: Ledger, choice: Choice, route: Route) -> Requeued:
    """Send results again; raises `Retry` when the database is away."""
    with ledger.transaction() as connection:
        return requeue(connection, choice.condition, route, "resent")


def requeue(connection: sa.Connection, chosen: sa.ColumnElement[bool], route: Route, event: str) -> Requeued:
    """Make the results of the chosen images due where the route of each leads."""
    deleted = len(connection.scalars(_deleted(chosen)).all())
    titles = sa.select(instances.c.calling_ae_title).where(chosen, instances.c.label.is_not(None)).distinct()
    unrouted, ids = [], set[int]()
    for title in connection.scalars(titles.order_by(instances.c.calling_ae_title)).all():
        names = route(title)
        if not names:
            unrouted.append(title)
        for name in names:
            ids |= _send_to(connection, chosen & (instances.c.calling_ae_title == title), name)
    images = _conclude_later(connection, ids, event)
    return Requeued(len(ids), images, tuple(unrouted), deleted)


def _send_to(connection: sa.Connection, chosen: sa.ColumnElement[bool], name: str) -> set[int]:
    """Return the deliveries that are due at this destination now, and were not before."""
    there = sa.exists().where(deliveries.c.result_id == results.c.id, deliveries.c.destination == name)
    begun = {"state": DeliveryState.PENDING, "state_at": now(), "begun_at": now(), "not_before": AT_ONCE}
    again = (
        sa.update(deliveries)
        .where(deliveries.c.destination == name, ~deliveries.c.open)
        .where(deliveries.c.result_id.in_(_standing(chosen, results.c.id)))
        .values(begun | {"open": True, "attempts": 0, "asked": 0, "last_error": None, "unsure": True})
    )
    ids = set(connection.scalars(again.returning(deliveries.c.id)))
    columns = {"destination": name} | begun
    missing = _standing(chosen, results.c.id, *(_literal(each) for each in columns.values())).where(~there)
    added = sa.insert(deliveries).from_select(["result_id", *columns], missing)
    ids |= set(connection.scalars(added.returning(deliveries.c.id)))
    connection.execute(sa.update(destinations).where(destinations.c.name == name).values(retry_at=None))
    return ids


def _literal(value: object) -> sa.ColumnElement[Any]:
    return sa.literal(value, deliveries.c.state_at.type if isinstance(value, datetime) else sa.String())


def _standing(chosen: sa.ColumnElement[bool], *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    joined = sa.select(*columns).join_from(results, instances, instances.c.id == results.c.instance_id)
    return joined.where(chosen, results.c.superseded_at.is_(None), results.c.file_deleted_at.is_(None))


def _deleted(chosen: sa.ColumnElement[bool]) -> sa.Select[Any]:
    gone = results.c.superseded_at.is_(None) & results.c.file_deleted_at.is_not(None)
    joined = sa.select(instances.c.id).join(results, instances.c.id == results.c.instance_id)
    return joined.where(chosen, gone).distinct()


def _conclude_later(connection: sa.Connection, ids: set[int], event: str) -> int:
    """Let images whose results go out again be under way; return how many they are."""
    touched = set[int]()
    for some in _in_bits(sorted(ids)):
        query = sa.select(results.c.instance_id).join(deliveries, deliveries.c.result_id == results.c.id)
        touched |= set(connection.scalars(query.where(deliveries.c.id.in_(some))))
    undelivered = instances.c.reason.in_((Reason.NOT_DELIVERED, Reason.NOT_ROUTED))
    ended = (instances.c.state == State.DELIVERED) | ((instances.c.state == State.FAILED) & undelivered)
    inferred = {"state": State.INFERRED, "state_at": now(), "reason": None, "detail": None}
    for some in _in_bits(sorted(touched)):
        connection.execute(sa.update(instances).where(instances.c.id.in_(some), ended).values(inferred))
        for instance_id in some:
            record_event(connection, instance_id, event)
    return len(touched)


def _in_bits(ids: Sequence[int], size: int = 1000) -> list[Sequence[int]]:
    return [ids[first : first + size] for first in range(0, len(ids), size)]

"""Requeues images and deliveries that have come to their end, at a person's request.

`gateway retry`, `resend` and `reprocess`, and the Retry buttons of pages and API, call it. Each request
is one transaction; images and deliveries that are under way stay as they are. Workers find by themselves
whatever is due, also at their next start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.errors import GatewayError
from gateway.records import OWN_NOTE, WITHDRAWALS, Reason, State
from gateway.store.clock import now
from gateway.store.entries import AT_ONCE, DeliveryState, ImageIdentity, Router
from gateway.store.ledger import Ledger
from gateway.store.rejections import is_not_rejected
from gateway.store.schema import answers, deliveries, destinations, instances, results
from gateway.store.session import IDENTITY, Session
from gateway.store.shipments import Plan, in_bits, plan, results_of, unindexed
from gateway.telemetry.events import Event

IMAGES_AT_ONCE = 500
"""Images that one transaction requeues by their numbers: reception does not wait long for it."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """Counts of results for a destination and of their images, and the results that could not be sent.

    Attributes
    ----------
    unrouted
        Calling AE titles of images that no route takes.
    deleted
        How many images' results have been deleted: `gateway reprocess` makes them anew.
    unjudged
        How many images have no file any more by which a route's condition could be judged.
    """

    deliveries: int
    images: int
    unrouted: tuple[str, ...] = ()
    deleted: int = 0
    unjudged: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Selection of images whose results are sent again: all stated conditions hold.

    `ids` are numbers of rows, at most `IMAGES_AT_ONCE`.
    """

    sop_instance_uids: tuple[str, ...] = ()
    study_instance_uid: str | None = None
    since: datetime | None = None
    ids: tuple[int, ...] = ()

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """The images, as a condition on their rows."""
        conditions: list[sa.ColumnElement[bool]] = []
        if self.sop_instance_uids:
            conditions.append(instances.c.sop_instance_uid.in_(self.sop_instance_uids))
        if self.study_instance_uid is not None:
            conditions.append(instances.c.study_instance_uid == self.study_instance_uid)
        if self.since is not None:
            conditions.append(instances.c.received_at >= self.since)
        if self.ids:
            conditions.append(instances.c.id.in_(self.ids))
        return sa.and_(sa.true(), *conditions)


@dataclass(frozen=True, slots=True)
class Begun:
    """Counts of images for the model, and of results for a destination.

    `unrouted` are calling AE titles of answers that still have no route.
    """

    images: int
    deliveries: int
    unrouted: tuple[str, ...] = ()


def nowhere(*_: object) -> tuple[str, ...]:
    """No route."""
    return ()


class Requeue:
    """`gateway retry` and `gateway reprocess`. Workers find what is due by themselves, also later.

    Methods raise `Retry` when the database is away.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def retry(self, sop_instance_uid: str | None = None, route: Router = nowhere) -> Begun:
        """Begin anew what has failed: of one image, or of all.

        Dead deliveries are due at once; an answer without a destination goes where the present `route` leads;
        an image without an answer is `received` again.
        """
        return self._retry(
            sa.true() if sop_instance_uid is None else instances.c.sop_instance_uid == sop_instance_uid, route
        )

    def retry_these(self, ids: Sequence[int], route: Router) -> Begun:
        """Begin anew what has failed of the images with these row numbers, at most `IMAGES_AT_ONCE`."""
        return self._retry(instances.c.id.in_(ids), route)

    def _retry(self, chosen: sa.ColumnElement[bool], route: Router) -> Begun:
        unrouted = chosen & _is_unrouted()
        planned = plan(self._ledger, unrouted, route)
        with self._ledger.session() as session:
            revived = _revive(session, chosen)
            routed = _ship(session, unrouted, planned, Event.RETRIED)
            received = _receive_again(session, chosen & ~_is_unrouted())
            return Begun(received, revived + routed.deliveries, routed.unrouted)

    def reprocess(self, sop_instance_uid: str) -> None:
        """Let the version that has an answer, else the newest, be answered again."""
        versions = sa.select(instances).where(instances.c.sop_instance_uid == sop_instance_uid)
        best_first = versions.order_by(instances.c.answer_id.is_(None), instances.c.id.desc())
        with self._ledger.session() as session:
            row = session.connection.execute(best_first.limit(1)).one()
            if row.file_deleted_at:
                raise GatewayError(f"{sop_instance_uid}: its file has been deleted; send it again first")
            earlier = {"label": row.label, "score": row.score, "state": row.state}
            image = ImageIdentity(row.id, row.sop_instance_uid, row.study_instance_uid, row.calling_ae_title)
            session.tell(Event.REPROCESSED, image, **earlier)
            this = instances.c.id == row.id
            session.connection.execute(sa.update(instances).where(this).values(_as_received()))

    def resend(self, selection: Selection, route: Router) -> Requeued:
        """Send the standing results of the selected images again, where the present `route` leads."""
        planned = plan(self._ledger, selection.condition, route)
        with self._ledger.session() as session:
            return _ship(session, selection.condition, planned, Event.RESENT)


def _revive(session: Session, chosen: sa.ColumnElement[bool]) -> int:
    """Make dead deliveries of standing results pending, and their destinations due."""
    connection = session.connection
    query = (
        sa.select(deliveries.c.id.label("delivery_id"), deliveries.c.destination, *IDENTITY)
        .join(results, results.c.id == deliveries.c.result_id)
        .join(instances, instances.c.id == results.c.instance_id)
        .join(answers, answers.c.id == results.c.answer_id)
        .where(chosen, deliveries.c.state == DeliveryState.DEAD, answers.c.superseded_at.is_(None))
        .where(is_not_rejected() | results.c.kind.in_((OWN_NOTE, *WITHDRAWALS)))
        .where(results.c.file_deleted_at.is_(None))
    )
    dead = connection.execute(query).all()
    begun = {"state": DeliveryState.PENDING, "state_at": now(), "begun_at": now(), "not_before": AT_ONCE}
    for row in dead:
        this = deliveries.c.id == row.delivery_id
        connection.execute(sa.update(deliveries).where(this).values(open=True, attempts=0, asked=0, **begun))
    for image in {ImageIdentity(*row[2:]) for row in dead}:
        failed = (instances.c.id == image.id) & (instances.c.state == State.FAILED)
        inferred = {"state": State.INFERRED, "state_at": now(), "reason": None, "detail": None}
        connection.execute(sa.update(instances).where(failed).values(inferred))
        session.tell(Event.RETRIED, image)
    names = {row.destination for row in dead}
    connection.execute(sa.update(destinations).where(destinations.c.name.in_(names)).values(retry_at=None))
    return len(dead)


def _is_unrouted() -> sa.ColumnElement[bool]:
    named = instances.c.reason.is_not(None) & (instances.c.reason == Reason.NOT_ROUTED)
    return (instances.c.state == State.FAILED) & named


def _receive_again(session: Session, chosen: sa.ColumnElement[bool]) -> int:
    failed = chosen & (instances.c.state == State.FAILED) & instances.c.file_deleted_at.is_(None)
    again = sa.update(instances).where(failed).values(_as_received()).returning(*IDENTITY)
    images = [ImageIdentity(*row) for row in session.connection.execute(again)]
    for image in images:
        session.tell(Event.RETRIED, image)
    return len(images)


def _as_received() -> dict[str, object]:
    nothing = dict.fromkeys(("reason", "detail", "batch", "not_before"))
    return nothing | {"state": State.RECEIVED, "state_at": now(), "attempts": 0}


def _ship(session: Session, chosen: sa.ColumnElement[bool], planned: Plan, event: Event) -> Requeued:
    """Make the results of the chosen images due where the plan leads."""
    connection = session.connection
    deleted = len(connection.scalars(_deleted(chosen)).all())
    ids = set[int]()
    for shipment in planned.shipments:
        ids |= _send_to(connection, shipment.which, shipment.destination)
    images = _reopen(session, ids, event)
    return Requeued(len(ids), images, planned.unrouted, deleted, planned.unjudged)


def _send_to(connection: sa.Connection, chosen: sa.ColumnElement[bool], name: str) -> set[int]:
    """Return the deliveries that are due at this destination now, and were not before."""
    there = sa.exists().where(deliveries.c.result_id == results.c.id, deliveries.c.destination == name)
    begun = {"state": DeliveryState.PENDING, "state_at": now(), "begun_at": now(), "not_before": AT_ONCE}
    again = (
        sa.update(deliveries)
        .where(deliveries.c.id.in_(_ended(chosen, name)))
        .values(begun | {"open": True, "attempts": 0, "asked": 0, "last_error": None, "unsure": True})
    )
    ids = set(connection.scalars(again.returning(deliveries.c.id)))
    columns = {"destination": name} | begun
    missing = _standing(chosen, results.c.id, *(_literal(each) for each in columns.values())).where(~there)
    added = sa.insert(deliveries).from_select(["result_id", *columns], missing)
    ids |= set(connection.scalars(added.returning(deliveries.c.id)))
    connection.execute(sa.update(destinations).where(destinations.c.name == name).values(retry_at=None))
    return ids


def _ended(chosen: sa.ColumnElement[bool], name: str) -> sa.Select[Any]:
    """Pick what has come to its end at this destination, beginning with the images."""
    there = unindexed(deliveries.c.destination) == name
    found = _standing(chosen, deliveries.c.id).join(deliveries, deliveries.c.result_id == results.c.id)
    return found.where(there, ~deliveries.c.open)


def _literal(value: object) -> sa.ColumnElement[Any]:
    return sa.literal(value, deliveries.c.state_at.type if isinstance(value, datetime) else sa.String())


def _standing(chosen: sa.ColumnElement[bool], *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return results_of(chosen, *columns).where(results.c.file_deleted_at.is_(None))


def _deleted(chosen: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return results_of(chosen, instances.c.id).where(results.c.file_deleted_at.is_not(None)).distinct()


def _reopen(session: Session, ids: set[int], event: Event) -> int:
    """Let images whose results go out again be under way; return how many they are."""
    touched = set[ImageIdentity]()
    for some in in_bits(sorted(ids)):
        query = _IMAGES.where(deliveries.c.id.in_(some))
        touched |= {ImageIdentity(*row) for row in session.connection.execute(query)}
    undelivered = instances.c.reason.in_((Reason.NOT_DELIVERED, Reason.NOT_ROUTED))
    ended = (instances.c.state == State.DELIVERED) | ((instances.c.state == State.FAILED) & undelivered)
    inferred = {"state": State.INFERRED, "state_at": now(), "reason": None, "detail": None}
    for some in in_bits(sorted(image.id for image in touched)):
        these = instances.c.id.in_(some)
        session.connection.execute(sa.update(instances).where(these, ended).values(inferred))
    for image in sorted(touched, key=lambda image: image.id):
        session.tell(event, image)
    return len(touched)


_IMAGES = (
    sa.select(*IDENTITY)
    .join(results, results.c.instance_id == instances.c.id)
    .join(deliveries, deliveries.c.result_id == results.c.id)
)

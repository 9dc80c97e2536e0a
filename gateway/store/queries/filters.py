"""Filters and orders of the worklist as conditions on images.

`Worklist` asks `Filter` for the images of a search and for the one image that stands for a study. SQLite has
no statistics here: conditions on the images of a study are written without an index, so that it uses the
study's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, State
from gateway.store.patients import found_by
from gateway.store.schema import instances, patients

Condition = sa.ColumnElement[bool]


class Order(StrEnum):
    """Columns by which the worklist is sorted; each has an index."""

    RECEIVED = "received"
    PATIENT = "patient"
    STUDY_DATE = "study_date"
    SENDER = "sender"
    STATE = "state"
    SCORE = "score"


OF_PATIENTS = {Order.PATIENT, Order.STUDY_DATE}
"""Orders that tell of patients: for users who may see them."""

_COLUMNS: dict[Order, sa.Column[Any]] = {
    Order.PATIENT: patients.c.sorted_by,
    Order.STUDY_DATE: patients.c.study_date,
    Order.SENDER: instances.c.calling_ae_title,
    Order.STATE: instances.c.state,
    Order.SCORE: instances.c.score,
}


@dataclass(frozen=True, slots=True)
class Search:
    """Filters of the worklist; empty values match everything.

    `uid` may be the beginning of one, `patient` the beginning of a group of the name, of the ID or of the
    accession number. `without_own` leaves out the gateway's own results that came back.
    """

    uid: str = ""
    calling_ae_title: str = ""
    state: str = ""
    reason: str = ""
    label: str = ""
    since: datetime | None = None
    until: datetime | None = None
    patient: str = ""
    without_own: bool = False

    @property
    def is_selective(self) -> bool:
        """True where the search looks for certain images."""
        texts = (self.uid, self.calling_ae_title, self.state, self.reason, self.label, self.patient)
        return any(texts) or self.since is not None or self.until is not None


class Filter:
    """A search, its times as numbers of rows and its patient as images; read within one transaction.

    Numbers and times rise together, and numbers are the order of the list.
    """

    def __init__(self, connection: sa.Connection, search: Search) -> None:
        self._search = search
        self._by_bytes = connection.dialect.name == "sqlite"
        self._first = _number(connection, search.since, latest=False)
        self._last = _number(connection, search.until, latest=True)
        self.found = found_by(connection, search.patient) if search.patient else None

    def conditions(self, table: sa.FromClause = instances) -> list[Condition]:
        """Return the conditions on images; those on another table than `instances` use no index."""
        search, column = self._search, table.c if table is instances else _Unindexed(table)
        wanted = (
            (column.calling_ae_title, search.calling_ae_title),
            (column.state, search.state),
            (column.reason, search.reason),
            (column.label, search.label),
        )
        found: list[Condition] = [stated == value for stated, value in wanted if value]
        found += [] if search.since is None else [column.id >= self._first]
        found += [] if search.until is None else [column.id <= self._last]
        found += [] if self.found is None else [column.id.in_(self.found)]
        if search.uid:
            uids = (column.sop_instance_uid, column.study_instance_uid)
            found.append(sa.or_(*(self._begins(each, search.uid) for each in uids)))
        if search.without_own:
            found.append(column.reason.is_distinct_from(Reason.OWN_RESULT))
        return found

    def stands_for_study(self, by: Order) -> Condition:
        """Return the condition that of all images of a study that match and can be sorted, this one is shown.

        It is the newest with an answer, else the newest that waits or failed, else the newest that needs
        none, own results last. The first question ends at the next newer image, so that a large study
        costs little for each of its images.
        """
        other = instances.alias()
        same = other.c.study_instance_uid == instances.c.study_instance_uid
        newer, older = other.c.id > instances.c.id, other.c.id < instances.c.id
        as_good, better = _rank(other) >= _rank(instances), _rank(other) > _rank(instances)
        matching = [*self.conditions(other), *_has_value(by, other)]
        return sa.and_(
            ~sa.exists().where(same, newer, as_good, *matching),
            ~sa.exists().where(same, older, better, *matching),
        )

    def _begins(self, column: sa.ColumnElement[Any], text: str) -> Condition:
        """Return a range, which the index knows, where the database compares by bytes."""
        if self._by_bytes:
            after_any_digit = ":"
            return sa.and_(column >= text, column < text + after_any_digit)
        return sa.cast(column.startswith(text, autoescape=True), sa.Boolean)


class _Unindexed:
    """The columns of a table as expressions without an index."""

    def __init__(self, table: sa.FromClause) -> None:
        self._columns = table.c

    def __getattr__(self, name: str) -> sa.ColumnElement[Any]:
        column = self._columns[name]
        return column + 0 if isinstance(column.type, sa.Integer) else column.concat("")


def sorted_column(by: Order) -> sa.ColumnElement[Any] | None:
    """Return the column before the image's number in the order; None where the number is the order."""
    return _COLUMNS.get(by)


def numbers_with(by: Order) -> sa.Select[tuple[int]]:
    """Select the numbers of the images that have a value to be sorted by."""
    number = sa.select(instances.c.id)
    if by in OF_PATIENTS:
        return number.join_from(patients, instances, instances.c.id == patients.c.instance_id)
    return number.where(*_has_value(by, instances))


def _has_value(by: Order, table: sa.FromClause) -> list[Condition]:
    if by in OF_PATIENTS:
        return [sa.exists().where(patients.c.instance_id == table.c.id)]
    return [table.c.score.is_not(None)] if by is Order.SCORE else []


def _rank(table: sa.FromClause) -> sa.ColumnElement[int]:
    """Return how well an image stands for its study: answered, due for an answer, ineligible, own result."""
    answered, own = table.c.label.is_not(None), table.c.reason == Reason.OWN_RESULT
    return sa.case((answered, 3), (own, 0), (table.c.state == State.INELIGIBLE, 1), else_=2)


def _number(connection: sa.Connection, time: datetime | None, *, latest: bool) -> int:
    """Return the first image since a time, or the latest before it; a number beyond all if there is none."""
    received_at = instances.c.received_at
    if time is None:
        return 0
    if latest:
        query = sa.select(instances.c.id).where(received_at < time).order_by(received_at.desc())
        return connection.scalar(query.limit(1)) or 0
    query = sa.select(instances.c.id).where(received_at >= time).order_by(received_at)
    return connection.scalar(query.limit(1)) or 2**62

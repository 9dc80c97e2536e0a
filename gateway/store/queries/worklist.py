"""The worklist: images newest first, searched and paged by key, so that no page is slower than the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.store.entries import DeliveryState
from gateway.store.ledger import Ledger
from gateway.store.queries.images import ANSWERED, ROW, row_values
from gateway.store.queries.views import AnswerRow, DestinationRow, WorklistRow
from gateway.store.schema import answers, deliveries, events, instances, results

_WANTED = (*ROW, answers.c.threshold, answers.c.abstained)
_LEAST_FIRST = (
    DeliveryState.DEAD,
    DeliveryState.PENDING,
    DeliveryState.WITHDRAWN,
    DeliveryState.STORED,
    DeliveryState.COMMITTED,
)


@dataclass(frozen=True, slots=True)
class Search:
    """Filters of the worklist; empty values match everything. `uid` may be the beginning of one."""

    uid: str = ""
    calling_ae_title: str = ""
    state: str = ""
    reason: str = ""
    label: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows newest first; `older` and `newer` are the keys of the pages beside it, if there are any."""

    rows: tuple[WorklistRow, ...]
    older: int | None
    newer: int | None


class Worklist:
    """Read-only. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def version(self) -> int:
        """Return a number that grows with whatever happens to any image."""
        with self._ledger.transaction() as connection:
            return connection.scalar(sa.select(sa.func.max(events.c.id))) or 0

    def page(
        self, search: Search, *, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> Page:
        """Return the images older than `before`, or newer than `after`, else the newest."""
        with self._ledger.transaction() as connection:
            found = _find(connection, search, before, after, limit + 1)
            rows = _complete(connection, found[:limit])
        more = len(found) > limit
        if after is not None:
            rows = rows[::-1]
        older = more if after is None else bool(rows)
        newer = before is not None if after is None else more
        return Page(
            rows,
            older=rows[-1].id if rows and older else None,
            newer=rows[0].id if rows and newer else None,
        )

    def neighbours(self, instance_id: int) -> tuple[str | None, str | None]:
        """Return the SOP Instance UIDs of the next newer and the next older image."""
        uid, number = instances.c.sop_instance_uid, instances.c.id
        newer = sa.select(uid).where(number > instance_id).order_by(number).limit(1)
        older = sa.select(uid).where(number < instance_id).order_by(number.desc()).limit(1)
        with self._ledger.transaction() as connection:
            return connection.scalar(newer), connection.scalar(older)

    def calling_ae_titles(self) -> list[str]:
        """Return who has ever sent."""
        return self._distinct(instances.c.calling_ae_title)

    def labels(self) -> list[str]:
        """Return every answer that was ever given."""
        return self._distinct(instances.c.label)

    def _distinct(self, column: sa.Column[Any]) -> list[str]:
        """Return the values of a column, by one step through its index for each."""
        values: list[str] = []
        with self._ledger.transaction() as connection:
            value = connection.scalar(sa.select(sa.func.min(column)))
            while value is not None:
                values.append(value)
                value = connection.scalar(sa.select(sa.func.min(column)).where(column > value))
        return values


def _find(
    connection: sa.Connection, search: Search, before: int | None, after: int | None, limit: int
) -> list[WorklistRow]:
    query = sa.select(*_WANTED).select_from(ANSWERED).limit(limit)
    query = query.where(*_equal(search), *_in_time(connection, search))
    if search.uid:
        columns = (instances.c.sop_instance_uid, instances.c.study_instance_uid)
        query = query.where(sa.or_(*(_begins(connection, column, search.uid) for column in columns)))
    if after is not None:
        query = query.where(instances.c.id > after).order_by(instances.c.id)
    else:
        query = query.order_by(instances.c.id.desc())
        query = query if before is None else query.where(instances.c.id < before)
    return [WorklistRow(**row_values(row)) for row in connection.execute(query).mappings()]


def _equal(search: Search) -> list[sa.ColumnElement[bool]]:
    wanted = {
        instances.c.calling_ae_title: search.calling_ae_title,
        instances.c.state: search.state,
        instances.c.reason: search.reason,
        instances.c.label: search.label,
    }
    return [column == value for column, value in wanted.items() if value]


def _in_time(connection: sa.Connection, search: Search) -> list[sa.ColumnElement[bool]]:
    """Times as numbers of rows: numbers and times rise together, and numbers are the order of the list."""
    number, time = instances.c.id, instances.c.received_at
    bounds: list[sa.ColumnElement[bool]] = []
    if search.since:
        first = sa.select(number).where(time >= search.since).order_by(time).limit(1)
        found = connection.scalar(first)
        bounds.append(sa.false() if found is None else number >= found)
    if search.until:
        last = sa.select(number).where(time < search.until).order_by(time.desc()).limit(1)
        found = connection.scalar(last)
        bounds.append(sa.false() if found is None else number <= found)
    return bounds


def _begins(connection: sa.Connection, column: Any, text: str) -> sa.ColumnElement[bool]:
    """A range, which the index knows, where the database compares by bytes."""
    if connection.dialect.name == "sqlite":
        after_any_digit = ":"
        return sa.and_(column >= text, column < text + after_any_digit)
    return sa.cast(column.startswith(text, autoescape=True), sa.Boolean)


def _complete(connection: sa.Connection, rows: Sequence[WorklistRow]) -> tuple[WorklistRow, ...]:
    """Add what stands beside the shown answers, and where the standing results are."""
    ids = [row.id for row in rows if row.label is not None]
    others, found = _others(connection, ids), _deliveries(connection, ids)
    return tuple(
        replace(row, others=tuple(others.get(row.id, ())), deliveries=tuple(found.get(row.id, ())))
        for row in rows
    )


def _others(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[AnswerRow]]:
    query = (
        sa.select(
            answers.c.instance_id,
            answers.c.model_name,
            answers.c.model_version,
            answers.c.label,
            answers.c.score,
            answers.c.positive,
        )
        .join(instances, instances.c.id == answers.c.instance_id)
        .where(answers.c.instance_id.in_(ids), answers.c.superseded_at.is_(None))
        .where(answers.c.id != instances.c.answer_id)
        .order_by(answers.c.id)
    )
    found: dict[int, list[AnswerRow]] = {}
    for instance_id, *values in connection.execute(query):
        found.setdefault(instance_id, []).append(AnswerRow(*values))
    return found


def _deliveries(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[DestinationRow]]:
    """Sum up the standing results of each image, one line for each destination."""
    query = (
        sa.select(
            results.c.instance_id,
            deliveries.c.destination,
            sa.func.min(deliveries.c.state),
            sa.func.max(deliveries.c.state),
            sa.func.max(deliveries.c.attempts),
        )
        .join(deliveries, deliveries.c.result_id == results.c.id)
        .join(answers, answers.c.id == results.c.answer_id)
        .where(results.c.instance_id.in_(ids), answers.c.superseded_at.is_(None))
        .group_by(results.c.instance_id, deliveries.c.destination)
        .order_by(deliveries.c.destination)
    )
    found: dict[int, list[DestinationRow]] = {}
    for instance_id, name, lowest, highest, attempts in connection.execute(query):
        state = next(state for state in _LEAST_FIRST if state in (lowest, highest))
        found.setdefault(instance_id, []).append(DestinationRow(name, state, attempts))
    return found

"""The worklist: images newest first, searched and paged by key, so that no page is slower than the first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import probabilities
from gateway.store.ledger import Ledger
from gateway.store.schema import deliveries, events, instances, results

_WANTED = (
    instances.c.id,
    instances.c.sop_instance_uid,
    instances.c.study_instance_uid,
    instances.c.study_description,
    instances.c.scanner,
    instances.c.calling_ae_title,
    instances.c.received_at,
    instances.c.state,
    instances.c.state_at,
    instances.c.reason,
    instances.c.detail,
    instances.c.label,
    instances.c.p_pneumonia,
    instances.c.answer["model"]["threshold"].as_float().label("threshold"),
    instances.c.answer["abstained"].as_string().label("abstained"),
)


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; empty values match everything. `uid` may be the beginning of one."""

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

    rows: list[dict[str, Any]]
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
            rows = _with_deliveries(connection, found[:limit])
        more = len(found) > limit
        if after is not None:
            rows.reverse()
        older = more if after is None else bool(rows)
        newer = before is not None if after is None else more
        return Page(
            rows,
            older=rows[-1]["id"] if rows and older else None,
            newer=rows[0]["id"] if rows and newer else None,
        )

    def neighbours(self, instance_id: int) -> tuple[str | None, str | None]:
        """Return the SOP Instance UIDs of the next newer and the next older image."""
        uid, number = instances.c.sop_instance_uid, instances.c.id
        newer = sa.select(uid).where(number > instance_id).order_by(number).limit(1)
        older = sa.select(uid).where(number < instance_id).order_by(number.desc()).limit(1)
        with self._ledger.transaction() as connection:
            return connection.scalar(newer), connection.scalar(older)

    def calling_ae_titles(self) -> list[str]:
        """Return who has ever sent, by one step through the index for each."""
        column = instances.c.calling_ae_title
        titles: list[str] = []
        with self._ledger.transaction() as connection:
            title = connection.scalar(sa.select(sa.func.min(column)))
            while title is not None:
                titles.append(title)
                title = connection.scalar(sa.select(sa.func.min(column)).where(column > title))
        return titles


def _find(
    connection: sa.Connection, search: Search, before: int | None, after: int | None, limit: int
) -> list[dict[str, Any]]:
    query = sa.select(*_WANTED).where(*_equal(search), *_in_time(connection, search)).limit(limit)
    if search.uid:
        columns = (instances.c.sop_instance_uid, instances.c.study_instance_uid)
        query = query.where(sa.or_(*(_begins(connection, column, search.uid) for column in columns)))
    if after is not None:
        query = query.where(instances.c.id > after).order_by(instances.c.id)
    else:
        query = query.order_by(instances.c.id.desc())
        query = query if before is None else query.where(instances.c.id < before)
    rows = connection.execute(query).mappings()
    return [dict(row) | {"probabilities": probabilities(row["p_pneumonia"])} for row in rows]


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


def _with_deliveries(connection: sa.Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each image where its standing results stand, one line for each destination."""
    query = (
        sa.select(
            results.c.instance_id,
            deliveries.c.destination,
            sa.func.min(deliveries.c.state).label("lowest"),
            sa.func.max(deliveries.c.state).label("highest"),
            sa.func.max(deliveries.c.attempts).label("attempts"),
        )
        .join(deliveries, deliveries.c.result_id == results.c.id)
        .where(results.c.instance_id.in_([row["id"] for row in rows]), results.c.superseded_at.is_(None))
        .group_by(results.c.instance_id, deliveries.c.destination)
        .order_by(deliveries.c.destination)
    )
    found: dict[int, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for each in connection.execute(query).mappings():
        states = {each["lowest"], each["highest"]}
        state = next(state for state in ("dead", "pending", "delivered", "committed") if state in states)
        one = {"destination": each["destination"], "state": state, "attempts": each["attempts"]}
        found[each["instance_id"]].append(one)
    return [row | {"deliveries": found[row["id"]]} for row in rows]

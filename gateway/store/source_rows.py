"""Rows of sources: when which window was searched last, and why a source is away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.clock import now
from gateway.store.ledger import Ledger
from gateway.store.schema import sources

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 5.0, 600.0


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as last searched; `searched` has local times by the name of the window."""

    name: str
    failures: int
    error: str | None
    retry_at: datetime | None
    searched: dict[str, datetime]


class SourceRows:
    """The ledger's sources. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, name: str) -> SourceRow:
        """Return the row of a source, made where there is none."""
        with self._ledger.transaction() as connection:
            return self._row(connection, name)

    def all(self) -> list[SourceRow]:
        """Return the sources that were ever searched by schedule."""
        with self._ledger.transaction() as connection:
            return [_view(row) for row in connection.execute(sa.select(sources).order_by(sources.c.name))]

    def record_searched(self, name: str, windows: Iterable[str], at: datetime) -> None:
        """Record that windows were searched at a local time; the source is there."""
        with self._ledger.transaction() as connection:
            searched = self._row(connection, name).searched | dict.fromkeys(windows, at)
            written = {window: each.isoformat() for window, each in searched.items()}
            values = {"searched": written, "failures": 0, "error": None, "retry_at": None}
            connection.execute(sa.update(sources).where(sources.c.name == name).values(values))

    def record_away(self, name: str, error: str, at_least: float = 0.0) -> float:
        """Record that a source is away; return the seconds after which it is asked again."""
        with self._ledger.transaction() as connection:
            failures = self._row(connection, name).failures
            doubled = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures, 20), LONGEST_RETRY_SECONDS)
            seconds = max(at_least, doubled)
            later = now() + timedelta(seconds=seconds)
            values = {"failures": failures + 1, "error": error, "retry_at": later}
            connection.execute(sa.update(sources).where(sources.c.name == name).values(values))
        return seconds

    def record_there(self, name: str) -> None:
        """Record that a source takes requests."""
        with self._ledger.transaction() as connection:
            this = (sources.c.name == name) & (sources.c.failures > 0)
            values = {"failures": 0, "error": None, "retry_at": None}
            connection.execute(sa.update(sources).where(this).values(values))

    def _row(self, connection: sa.Connection, name: str) -> SourceRow:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert(sources).values(name=name, searched={}).on_conflict_do_nothing())
        return _view(connection.execute(sa.select(sources).where(sources.c.name == name)).one())


def _view(row: Any) -> SourceRow:
    searched = {window: datetime.fromisoformat(at) for window, at in row.searched.items()}
    return SourceRow(row.name, row.failures, row.error, row.retry_at, searched)

"""One database for the ledger and the engine: SQLite in WAL, or PostgreSQL.

Commits are on disk when they return. `gateway.store.postgresql` has what a server needs.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.store.turns import Turns
from gateway.store.writer import Writer

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "BEGIN")


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime in UTC, also where the database keeps none (SQLite)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse naive times, write UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time in the ledger must be aware")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Read UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def open_engine(url: str, *, writable: bool = True) -> sa.Engine:
    """Return an engine whose commits are on disk when they return.

    Parameters
    ----------
    writable
        Whether a server that takes no writes is passed over.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        from gateway.store.postgresql import open_server

        return open_server(parsed, writable=writable)
    engine = sa.create_engine(
        parsed,
        pool_size=10,
        max_overflow=40,
        pool_pre_ping=True,
        hide_parameters=True,  # they may name patients, and errors reach the log
        connect_args={"factory": Writer},
    )
    _let_writers_take_turns(engine)
    return engine


def is_pooled(connection: sa.Connection) -> bool:
    """Tell whether a pooler stands between the gateway and the server."""
    return bool(getattr(connection.connection.dbapi_connection, "is_pooled", False))


def _let_writers_take_turns(engine: sa.Engine) -> None:
    """Let one thread of this machine write at a time, those of a process in the order of asking."""
    turns = Turns(Path(f"{engine.url.database}-turn"))

    def prepare(writer: Writer, _: Any) -> None:
        writer.prepare(turns)

    def take(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if statement.lstrip()[:8].upper().startswith(_WRITES):
            try:
                cursor.connection.take_turn()
            except sqlite3.OperationalError as busy:
                raise sa.exc.OperationalError(statement, None, busy) from busy

    def give(writer: Writer | None, *_: Any) -> None:
        if writer is not None:
            writer.give_turn()

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "before_cursor_execute", take)
    for end in ("checkin", "invalidate"):
        sa.event.listen(engine, end, give)

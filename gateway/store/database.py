"""One database for the ledger and the engine: SQLite in WAL, or PostgreSQL.

Commits are on disk when they return. `gateway.store.postgresql` has what a server needs.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import sqlalchemy as sa

from gateway.files.atomic import create_once
from gateway.store.turns import Turns
from gateway.store.writer import AWAY, Writer

_DISK_FAILED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SQLITE = "sqlite:///"
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
    url
        Of a server, or `sqlite:///` and the path of a file as it is, whatever its characters.
    writable
        Whether a server that takes no writes is passed over.
    """
    is_file = url.startswith(_SQLITE)
    parsed = sa.URL.create("sqlite", database=url.removeprefix(_SQLITE)) if is_file else sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        from gateway.store.postgresql import open_server

        return open_server(parsed, writable=writable)
    engine = sa.create_engine(
        parsed,
        pool_size=10,
        max_overflow=40,
        hide_parameters=True,  # they may name patients, and errors reach the log
        connect_args={"factory": Writer},
    )
    _let_writers_take_turns(engine)
    _connect_anew_where_the_disk_is_another(engine)
    return engine


def make_database(file: Path) -> None:
    """Make the file of an empty SQLite database, where none is: `open_engine` opens files that are there.

    Raises
    ------
    OSError
        If the disk does not take it.
    """
    create_once(file, [])


def _connect_anew_where_the_disk_is_another(engine: sa.Engine) -> None:
    """Use no connection whose file is no longer the one at its path, or whose disk failed under it."""

    def check(writer: Writer, *_: Any) -> None:
        if not writer.is_current():
            raise sa.exc.DisconnectionError(AWAY)

    def drop(context: sa.engine.ExceptionContext) -> None:
        code = getattr(context.original_exception, "sqlite_errorcode", 0)
        context.is_disconnect = context.is_disconnect or code & 0xFF in _DISK_FAILED

    sa.event.listen(engine, "checkout", check)
    sa.event.listen(engine, "handle_error", drop)


def is_pooled(connection: sa.Connection) -> bool:
    """Tell whether a pooler stands between the gateway and the server."""
    return bool(getattr(connection.connection.dbapi_connection, "is_pooled", False))


def _let_writers_take_turns(engine: sa.Engine) -> None:
    """Let one thread of this machine write at a time, those of a process in the order of asking."""
    turns = Turns(Path(f"{engine.url.database}-turn"))

    gap = Event()

    def prepare(writer: Writer, _: Any) -> None:
        writer.prepare(turns, gap)

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

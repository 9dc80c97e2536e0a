"""One database for the ledger and the engine: SQLite in WAL, or PostgreSQL.

Commits are on disk when they return, whatever the server, the role, the database or the URL say.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.store.turns import Turns
from gateway.store.writer import LOCK_WAIT_MS, Writer

CONNECT_SECONDS = 10  # and of a database server that does not answer
READ_ONLY = "25006"  # PostgreSQL's SQLSTATE: a server that has become a standby

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


def open_engine(url: str, *, pool_size: int = 10) -> sa.Engine:
    """Return an engine whose commits are on disk when they return."""
    on_a_server = sa.make_url(url).get_backend_name() == "postgresql"
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=40,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_SECONDS} if on_a_server else {"factory": Writer},
    )
    if on_a_server:
        sa.event.listen(engine, "connect", _make_server_durable)
        sa.event.listen(engine, "handle_error", _leave_standby)
    else:
        _let_writers_take_turns(engine)
    return engine


@contextmanager
def errors_are_for_later() -> Iterator[None]:
    """Turn an error of the database into `Retry`, unless it says that the rows themselves are wrong.

    Read-only, full, restarting, locked, out of connections, without rights, not yet upgraded: all that heals.
    """
    try:
        yield
    except (sa.exc.IntegrityError, sa.exc.DataError):
        raise
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        raise Retry(told_by(error)) from error


@dataclass(frozen=True, slots=True)
class Risk:
    """A setting of a server by which it may lose what it has committed; fatal where a power cut suffices."""

    told: str
    advice: str
    is_fatal: bool


def risks(engine: sa.Engine) -> list[Risk]:
    """Return what is wrong with the server's durability; SQLite's is set by this gateway alone."""
    if engine.dialect.name != "postgresql":
        return []
    with engine.connect() as connection:
        off = [name for name in _RISKS if connection.exec_driver_sql(f"SHOW {name}").scalar() == "off"]
    return [_RISKS[name] for name in off]


_RISKS = {
    "fsync": Risk(
        "fsync is off at the server: a power cut loses acknowledged images",
        "there: fsync = on in postgresql.conf, then reload",
        is_fatal=True,
    ),
    "full_page_writes": Risk(
        "full_page_writes is off at the server: a power cut may tear pages",
        "there: full_page_writes = on, unless the file system writes pages of 8 kB whole",
        is_fatal=False,
    ),
}


def told_by(error: sa.exc.SQLAlchemyError) -> str:
    """Return what a database error says, on one line."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    return f"the database does not answer: {said}"


def _make_server_durable(connection: Any, _: Any) -> None:
    """Set what an acknowledgement rests on; settings of the session win over all others.

    `local`, `remote_write` and `remote_apply` sync the server's own disk, too, and stay.
    """
    connection.autocommit = True
    connection.execute(
        "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
        " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)"
    )
    connection.execute(f"SET lock_timeout = {LOCK_WAIT_MS}")
    connection.autocommit = False


def _leave_standby(context: sa.engine.ExceptionContext) -> None:
    """Connect anew after a fail-over: a connection to what has become the standby stays read-only."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


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

"""One database for the ledger and the engine: SQLite in WAL with synchronous=FULL, or PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

LOCK_WAIT_MS = 10_000  # a sender that waits 30 s, as is usual, still hears of a longer lock
CONNECT_SECONDS = 10  # and of a database server that does not answer


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
        connect_args={"connect_timeout": CONNECT_SECONDS} if on_a_server else {},
    )
    if not on_a_server:
        sa.event.listen(engine, "connect", _make_durable)
    return engine


def _make_durable(connection: Any, _: Any) -> None:
    connection.isolation_level = "IMMEDIATE"  # a writer waits for its turn instead of failing half-way
    connection.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")

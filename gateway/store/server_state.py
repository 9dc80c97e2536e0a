"""State of a PostgreSQL server that matters to the gateway. The start and `gateway doctor` ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from gateway.store.database import is_pooled

STATEMENT_POOLING = "statement pooling mode"
"""PgBouncer's words where it gives each statement another session."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A setting of a server by which rows may be lost; fatal where that needs nothing unusual."""

    told: str
    advice: str
    is_fatal: bool


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server's statements of itself.

    Attributes
    ----------
    is_standby, is_read_only
        Whether it follows another server; whether it takes no writes, for this or another reason.
    is_pooled
        Whether a pooler stands between.
    synchronous_commit
        As server, role, database and URL have it; the gateway's own sessions never have `off`.
    followers, waits_for_standby
        Number of standbys; whether commits wait for one.
    clock_ahead_seconds
        Of the server's clock, compared with this machine's.
    connections, most_connections
        Sessions of clients there are, and may be by users without special rights.
    """

    is_standby: bool
    is_read_only: bool
    is_pooled: bool
    synchronous_commit: str
    followers: int
    waits_for_standby: bool
    clock_ahead_seconds: float
    connections: int
    most_connections: int


_RISKS = {
    "fsync": Risk(
        "fsync is off at the server: a power cut loses acknowledged images",
        "there: fsync = on in postgresql.conf, then reload",
        is_fatal=True,
    ),
    "server_encoding": Risk(
        "the database is not encoded in UTF-8: it cannot hold every text of an image",
        "there: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name that one",
        is_fatal=True,
    ),
    "full_page_writes": Risk(
        "full_page_writes is off at the server: a power cut may tear pages",
        "there: full_page_writes = on, unless the file system writes pages of 8 kB whole",
        is_fatal=False,
    ),
}

_RIGHT = {"server_encoding": "UTF8"}  # all others: on

_STATE = """
SELECT pg_is_in_recovery() AS is_standby,
       current_setting('transaction_read_only') = 'on' AS is_read_only,
       (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') AS synchronous_commit,
       (SELECT count(*) FROM pg_stat_replication) AS followers,
       current_setting('synchronous_standby_names') <> '' AS waits_for_standby,
       clock_timestamp() AS time,
       (SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL) AS connections,
       current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int AS most_connections
"""


def risks(engine: sa.Engine) -> list[Risk]:
    """Return what is wrong with the server's settings; SQLite's is set by this gateway alone."""
    if engine.dialect.name != "postgresql":
        return []
    with engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in _RISKS}
    return [_RISKS[name] for name, value in found.items() if value != _RIGHT.get(name, "on")]


def state_of(engine: sa.Engine) -> ServerState:
    """Ask a PostgreSQL server for its state."""
    with engine.connect() as connection:
        asked = datetime.now(UTC)
        row = dict(connection.exec_driver_sql(_STATE).mappings().one())
        half = (datetime.now(UTC) - asked) / 2
        ahead = (row.pop("time") - asked - half).total_seconds()
        return ServerState(**row, is_pooled=is_pooled(connection), clock_ahead_seconds=ahead)


def advice_on(error: str) -> str:
    """Return what to do about a server that cannot be used."""
    if STATEMENT_POOLING in error:
        return "there: pool_mode = transaction, or session, in pgbouncer.ini: a transaction needs one session"
    return "here: the setting database; there: is the server running, and does it take writes?"

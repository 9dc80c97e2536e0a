"""Brings a database to this version's schema. `opening` calls it at the start of every role and command.

Alembic is imported only where a database is older: its import takes a third of a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import ConfigurationError
from gateway.store.database import is_pooled
from gateway.store.schema import compatibility

BASELINE = "0001"
REVISIONS = sorted(
    path.stem.removeprefix("revision_")
    for path in Path(__file__).parent.glob("migrations/versions/revision_*.py")
)
"""Revisions of the schema, oldest first: each file bears the name of its revision."""

BESIDE = "0015"
"""Revision of the oldest gateway that works on this schema, beside gateways of this version.

Revisions after `BESIDE` only add: tables, indexes that demand nothing, columns that may be null or have a
default. A revision that does more sets `BESIDE` to its own number; all machines are stopped for it.
"""

_LOCK = 727311  # of PostgreSQL, any number that nobody else uses in this database
_ENGINE_LOCK = 727312
_ASK_SECONDS = 0.2


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Create what is missing, change what is older; several processes may do so at once.

    Either all of it is done or nothing.

    Raises
    ------
    ConfigurationError
        When a newer gateway has written the database.
    """
    if not is_older(engine):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    with _alone(engine) as connection:
        config.attributes["connection"] = connection
        if _revision(connection) is None and sa.inspect(connection).has_table("instances"):
            command.stamp(config, BASELINE)  # from before there were revisions
        command.upgrade(config, revision)
        if revision == "head":
            connection.execute(sa.delete(compatibility))
            connection.execute(sa.insert(compatibility).values(revision=BESIDE))


@contextmanager
def one_at_a_time(engine: sa.Engine) -> Iterator[None]:
    """Behind a pooler, let one process after another make the tables of the workflows.

    DBOS guards them by a lock of the session, which a pooler keeps for longer than DBOS. Nobody here keeps a
    snapshot, for which an index that is built concurrently would wait: who waits asks again and again, and
    the question has no parameter, whose portal would stay open.
    """
    attempt = f"SELECT pg_try_advisory_xact_lock({_ENGINE_LOCK})"
    with engine.connect() as connection:
        while is_pooled(connection) and not connection.exec_driver_sql(attempt).scalar():
            connection.rollback()
            time.sleep(_ASK_SECONDS)
        yield


def is_older(engine: sa.Engine) -> bool:
    """Tell whether `upgrade` has something to do.

    Raises
    ------
    ConfigurationError
        When a newer gateway has written the database.
    """
    with engine.connect() as connection:
        return _revision(connection) != REVISIONS[-1]


def _revision(connection: sa.Connection) -> str | None:
    """Return the revision of the schema; None in an empty database, and from before there were revisions.

    A newer one on which this version works counts as this version's.
    """
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if revision is not None and revision not in REVISIONS:
        if _works(connection):
            return REVISIONS[-1]
        raise ConfigurationError(
            f"database: a newer gateway has written it (schema {revision}, this one knows "
            f"{REVISIONS[-1]}); start that version, or use another database"
        )
    return str(revision) if revision else None


def _works(connection: sa.Connection) -> bool:
    """Tell whether the newer gateway that has written the schema lets this version work on it."""
    if not sa.inspect(connection).has_table(compatibility.name):
        return False
    oldest = connection.scalar(sa.select(compatibility.c.revision))
    return oldest is not None and oldest <= REVISIONS[-1]


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that no other process can be in; SQLite's tables may be rebuilt in it."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            from gateway.store.postgresql import wait_for_ever

            wait_for_ever(connection)  # another's upgrade may take long, too
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        else:
            connection.exec_driver_sql(
                "PRAGMA foreign_keys=OFF"
            )  # else dropping the old table empties others
            _begin(connection)
        yield connection
        connection.commit()
        connection.invalidate()  # back to the pool's own settings


def _begin(connection: sa.Connection) -> None:
    """Take SQLite's write lock; wait for as long as another process upgrades."""
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except sa.exc.OperationalError as error:
            if "locked" not in str(error.orig):
                raise
        else:
            return

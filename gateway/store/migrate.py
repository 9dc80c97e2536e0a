"""Brings a database to this version's schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import ConfigurationError

BASELINE = "0001"
_LOCK = 727311  # of PostgreSQL, any number that nobody else uses in this database


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Create what is missing, change what is older; several processes may do so at once.

    Either all of it is done or nothing.

    Raises
    ------
    ConfigurationError
        When a newer gateway has written the database.
    """
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    if not is_older(engine):
        return
    with _alone(engine) as connection:
        config.attributes["connection"] = connection
        if _revision(connection, scripts) is None and sa.inspect(connection).has_table("instances"):
            command.stamp(config, BASELINE)  # from before there were revisions
        command.upgrade(config, revision)


def is_older(engine: sa.Engine) -> bool:
    """Tell whether `upgrade` has something to do.

    Raises
    ------
    ConfigurationError
        When a newer gateway has written the database.
    """
    scripts = ScriptDirectory.from_config(_config())
    with engine.connect() as connection:
        return _revision(connection, scripts) != scripts.get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    return config


def _revision(connection: sa.Connection, scripts: ScriptDirectory) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError(
            f"database: a newer gateway has written it (schema {revision}, this one knows "
            f"{scripts.get_current_head()}); start that version, or use another database"
        )
    return revision


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that no other process can be in; SQLite's tables may be rebuilt in it."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))  # another's upgrade may take long
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

"""Opens the database: roles, proof and supervisor bring it to this version; commands open it as it is.

Every problem on the way is one line of a `GatewayError`; no connection is left open then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import ConfigurationError, DatabaseAway, GatewayError, NoGatewayYet
from gateway.files.folders import leave_to_owner
from gateway.settings import S3Store, Settings
from gateway.store.database import make_database, open_engine
from gateway.store.database_errors import UNKNOWN_NAME, heals_by_itself
from gateway.store.doorbell import Doorbells
from gateway.store.ledger import Ledger
from gateway.store.migrate import is_older, upgrade
from gateway.store.objects import Stores
from gateway.store.server_state import STATEMENT_POOLING, advice_on, risks
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event


def open_database(settings: Settings, *, makes: bool = True) -> tuple[sa.Engine, Ledger]:
    """Open the database and bring it to this version's schema.

    Parameters
    ----------
    makes
        Whether SQLite's file is made where there is none, as at the first start. Later on its disk is not
        mounted then, and a new one would take images on the wrong disk.

    Raises
    ------
    DatabaseAway
        If the database does not answer, and may later.
    ConfigurationError
        If the data directory cannot be written, or the database lets nobody in, does not keep committed rows
        through a power cut, or belongs to a newer gateway.
    """
    directory = settings.directory
    if makes:
        directory.make()
        _make_file(settings)
    engine = open_engine(settings.database_url)
    with _explained(settings, engine):
        for problem in risks(engine):
            if problem.is_fatal:
                raise ConfigurationError(f"database: {problem.told}; {problem.advice}")
        upgrade(engine)
    hide_from_others(directory.database)
    return engine, _ledger(settings, engine)


def _make_file(settings: Settings) -> None:
    """Make SQLite's file at the first start: no connection makes one."""
    file = settings.directory.database
    if settings.database != "sqlite" or file.exists():
        return
    with settings.directory.writing():
        make_database(file)
    log_event(Event.DATABASE_MADE, path=str(file))


def look_into_database(settings: Settings) -> tuple[sa.Engine, Ledger]:
    """Open the database as it is; nothing is made or changed.

    Raises
    ------
    NoGatewayYet
        If there is none.
    GatewayError
        If its schema is older than this version.
    ConfigurationError
        If the database does not answer or belongs to a newer gateway.
    """
    if settings.database == "sqlite" and not settings.directory.database.exists():
        problem = settings.directory.missing_mount() or (
            "no gateway has run here yet, or its disk is not mounted; "
            "another one's settings are named by --config"
        )
        raise NoGatewayYet(f"{settings.data_dir}: {problem}")
    engine = open_engine(settings.database_url)
    with _explained(settings, engine):
        if is_older(engine):
            raise GatewayError("the database is empty or of an older version; the gateway's start mends that")
    return engine, _ledger(settings, engine)


def _ledger(settings: Settings, engine: sa.Engine) -> Ledger:
    @cache
    def stores() -> Stores | None:
        from gateway.store.stores import look_into_stores  # which needs the ledger

        return look_into_stores(settings, ledger)

    def fetch(path: Path) -> None:
        if isinstance(settings.store, S3Store) and (opened := stores()):
            opened.received.fetch(path)

    ledger = Ledger(engine, settings.directory.kept, Doorbells(settings.directory.run), fetch)
    return ledger


@contextmanager
def _explained(settings: Settings, engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except GatewayError:
        engine.dispose()
        raise
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        where = "" if settings.database != "sqlite" else f" ({settings.data_dir})"
        reason = " ".join(str(cause).split())
        advice = f"; {advice_on(reason)}" if STATEMENT_POOLING in reason else ""
        told = f"database: cannot be opened{where}: {reason}{advice}"
        if settings.database == "sqlite" or advice or not heals_by_itself(error):
            raise ConfigurationError(told) from None
        raise DatabaseAway(told, name_is_unknown=any(words in reason for words in UNKNOWN_NAME)) from None


def hide_from_others(database: Path) -> None:
    """Leave the database to the owner of its folder alone; an earlier version made it without umask 027."""
    for file in database.parent.glob(f"{database.name}*"):
        leave_to_owner(file)
        with suppress(OSError):  # another user's
            file.chmod(file.stat().st_mode & ~0o027)

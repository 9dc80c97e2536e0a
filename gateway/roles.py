"""The roles of a gateway: one process each, started by `serve` or alone."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import ConfigurationError
from gateway.log import log_event, open_log
from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.schema import create_tables
from gateway.store.spool import Spool

READY = "ready"  # what a supervised role writes to its standard output once it serves


def open_database(settings: Settings) -> tuple[sa.Engine, Ledger]:
    """Open the ledger, and create what is missing.

    Raises
    ------
    ConfigurationError
        If the data directory cannot be written or the database does not answer.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        engine = open_engine(settings.database_url)
        create_tables(engine)
    except OSError as error:
        raise ConfigurationError(f"data_dir: {settings.data_dir}: {error.strerror}") from None
    except sa.exc.SQLAlchemyError as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise ConfigurationError(f"database: cannot be opened: {' '.join(str(cause).split())}") from None
    return engine, Ledger(engine, settings.data_dir)


def receive(settings: Settings, *, supervised: bool = False) -> None:
    """Listen for images until SIGTERM."""
    from gateway.receive.storage_scp import StorageSCP

    stop = _until_told(supervised=supervised)
    open_log(settings.data_dir, role="receive")
    _, ledger = open_database(settings)
    scp = StorageSCP(settings.scp, Spool(settings.data_dir / "spool"), ledger)
    scp.start()
    host, port = scp.address
    _announce(supervised=supervised, ae_title=settings.scp.ae_title, host=host, port=port)
    stop.wait()
    scp.stop(settings.shutdown_seconds)
    log_event("stopped")


def work(settings: Settings, *, supervised: bool = False) -> None:
    """Answer and deliver until SIGTERM."""
    from gateway.engine import Engine
    from gateway.pipeline import open_pipeline

    stop = _until_told(supervised=supervised)
    open_log(settings.data_dir, role="work")
    database, ledger = open_database(settings)
    pipeline = open_pipeline(settings)
    pipeline.warm_up()
    executor_id = _take_slot(settings.data_dir / "run")
    engine = Engine(settings, database, ledger, pipeline, executor_id)
    engine.start()
    _announce(supervised=supervised, executor_id=executor_id, model=pipeline.model.name)
    stop.wait()
    engine.stop()
    log_event("stopped", executor_id=executor_id)


def _announce(*, supervised: bool, **data: object) -> None:
    log_event("started" if supervised else "ready", **data)
    if supervised:
        sys.stdout.write(f"{READY} {' '.join(f'{key}={value}' for key, value in data.items())}\n")
        sys.stdout.flush()


def _until_told(*, supervised: bool) -> threading.Event:
    """Return what SIGTERM and SIGINT set; a supervised role also ends when its supervisor is gone."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    if supervised:
        threading.Thread(target=_end_with_supervisor, name="leash", daemon=True).start()
    return told


def _end_with_supervisor() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the supervisor, which holds the other end, is gone
    os._exit(1)


_slots: list[int] = []  # the lock lasts as long as the process


def _take_slot(folder: Path) -> str:
    """Return a name that no other running worker has and that a restarted one gets again."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        name = f"{socket.gethostname()}-{number}"
        descriptor = os.open(folder / f"worker-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if try_lock(descriptor):
            _slots.append(descriptor)
            return name
        os.close(descriptor)
        number += 1


def try_lock(descriptor: int) -> bool:
    """Lock the open file for this process and those that inherit it; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


ROLES: dict[str, Callable[..., None]] = {"receive": receive, "work": work}

"""The roles of a gateway: one process each, started by `serve` or alone."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from gateway.audit import trail
from gateway.errors import ConfigurationError
from gateway.log import log_bug, log_event, open_log
from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.spool import Spool

READY = "ready"  # what a supervised role writes to its standard output once it serves
PULSE_SECONDS = 5.0  # then it writes an empty line so often: it is neither stopped nor stuck


def open_database(settings: Settings) -> tuple[sa.Engine, Ledger]:
    """Open the ledger, and bring it to this version's schema.

    Raises
    ------
    ConfigurationError
        If the data directory cannot be written, or the database does not answer or is of a newer gateway.
    """
    try:
        with writing(settings.data_dir):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        engine = open_engine(settings.database_url)
        upgrade(engine)
    except sa.exc.SQLAlchemyError as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        where = "" if settings.database != "sqlite" else f" ({settings.data_dir})"
        told = " ".join(str(cause).split())
        raise ConfigurationError(f"database: cannot be opened{where}: {told}") from None
    return engine, Ledger(engine, settings.data_dir)


@contextmanager
def writing(data_dir: Path) -> Iterator[None]:
    """Turn what a disk refuses at the start into one clear line.

    Raises
    ------
    ConfigurationError
        If something below the data directory cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"data_dir: {error.filename or data_dir}: {error.strerror}") from None


def receive(settings: Settings, *, supervised: bool = False) -> None:
    """Listen for images until SIGTERM."""
    stop = _until_told(supervised=supervised)  # before imports that take seconds
    from gateway.receive.memory import return_what_is_freed
    from gateway.receive.storage_scp import StorageSCP

    open_log(settings.data_dir, role="receive", rules=settings.log)
    _, ledger = open_database(settings)
    trail.open_trail(settings)
    with writing(settings.data_dir):
        spool = Spool(settings.data_dir / "spool")
    scp = StorageSCP(settings.scp, spool, ledger)
    return_what_is_freed()
    scp.start()
    host, port = scp.address
    trail.started(role="receive")
    _announce(supervised=supervised, ae_title=settings.scp.ae_title, host=host, port=port)
    stop.wait()
    scp.stop(settings.shutdown_seconds)
    trail.stopped(role="receive")
    trail.close_trail()
    log_event("stopped")


def work(settings: Settings, *, supervised: bool = False) -> None:
    """Answer and deliver until SIGTERM."""
    stop = _until_told(supervised=supervised)  # before imports that take seconds
    from gateway.engine import Engine
    from gateway.pipeline import open_pipeline

    open_log(settings.data_dir, role="work", rules=settings.log)
    database, ledger = open_database(settings)
    trail.open_trail(settings)
    with writing(settings.data_dir):
        pipeline = open_pipeline(settings)
        executor_id = _take_slot(settings.data_dir / "run")
    pipeline.warm_up()
    engine = Engine(settings, database, ledger, pipeline, executor_id)
    try:
        engine.start()
    except Exception:
        log_bug("bug", task="start")
        os._exit(1)  # else its threads would keep a worker alive that does not serve
    trail.started(role="work")
    _announce(supervised=supervised, executor_id=executor_id, model=pipeline.model.name)
    stop.wait()
    engine.stop()
    trail.stopped(role="work")
    trail.close_trail()
    log_event("stopped", executor_id=executor_id)
    os._exit(0)  # what has not ended in time is resumed by the next start: nothing here waits for it


def web(settings: Settings, *, supervised: bool = False) -> None:
    """Serve pages and API until SIGTERM."""
    stop = _until_told(supervised=supervised)  # before imports that take seconds
    from gateway.web.serving import WebServer
    from gateway.web.site import open_site

    open_log(settings.data_dir, role="web", rules=settings.log)
    _, ledger = open_database(settings)
    trail.open_trail(settings)
    with writing(settings.data_dir):
        site = open_site(settings, ledger)
    server = WebServer(site)
    server.start()
    trail.started(role="web")
    _announce(supervised=supervised, url=server.url)
    stop.wait()
    server.stop(settings.shutdown_seconds)
    trail.stopped(role="web")
    trail.close_trail()
    log_event("stopped")
    os._exit(0)  # what still renders a picture is nobody's loss


def _announce(*, supervised: bool, **data: object) -> None:
    log_event("started" if supervised else "ready", **data)
    if supervised:
        _tell_supervisor(f"{READY} {' '.join(f'{key}={value}' for key, value in data.items())}")
        threading.Thread(target=_tell_of_life, name="pulse", daemon=True).start()


def _tell_of_life() -> None:
    while True:
        time.sleep(PULSE_SECONDS)
        _tell_supervisor("")


def _tell_supervisor(line: str) -> None:
    with suppress(OSError):  # without a supervisor the role is about to end
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


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


ROLES: dict[str, Callable[..., None]] = {"receive": receive, "work": work, "web": web}

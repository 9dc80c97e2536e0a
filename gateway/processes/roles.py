"""The roles of a gateway: one process each, started by `serve` or alone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import ConfigurationError, GatewayError, NoGatewayYet
from gateway.files.folders import make_folder
from gateway.sandbox.memory_limit import limit_memory
from gateway.settings import Settings
from gateway.store.database import open_engine, risks
from gateway.store.ledger import Ledger
from gateway.store.marks import Marks, marks_of
from gateway.store.migrate import is_older, upgrade
from gateway.store.refusals import RefusalRecorder, Refusals
from gateway.store.spool import Spool
from gateway.telemetry.audit import trail
from gateway.telemetry.log import flush_log, log_bug, log_event, open_log
from gateway.threads import failed_vital, release_vital
from gateway.worker.worker_id import take_name

READY = "ready"  # what a supervised role writes to its standard output once it serves
PULSE_SECONDS = 5.0  # then it writes an empty line so often: it is neither stopped nor stuck


def open_database(settings: Settings) -> tuple[sa.Engine, Ledger]:
    """Open the ledger, and bring it to this version's schema.

    Raises
    ------
    ConfigurationError
        If the data directory cannot be written, or the database does not answer, does not keep what it has
        committed, or is of a newer gateway.
    """
    with writing(settings.data_dir):
        make_folder(settings.data_dir)
    engine = open_engine(settings.database_url)
    with _explained(settings, engine):
        for problem in risks(engine):
            if problem.is_fatal:
                raise ConfigurationError(f"database: {problem.told}; {problem.advice}")
        upgrade(engine)
    hide_from_others(settings.data_dir)
    return engine, Ledger(engine, settings.data_dir)


def look_into_database(settings: Settings) -> tuple[sa.Engine, Ledger]:
    """Open the ledger as it is: who asks makes and changes nothing.

    Raises
    ------
    NoGatewayYet
        If there is none.
    GatewayError
        If it is of an older version.
    ConfigurationError
        If the database does not answer or is of a newer gateway.
    """
    if settings.database == "sqlite" and not (settings.data_dir / "gateway.sqlite").exists():
        raise NoGatewayYet(
            f"{settings.data_dir}: no gateway has run here yet; another one's settings are named by --config"
        )
    engine = open_engine(settings.database_url)
    with _explained(settings, engine):
        if is_older(engine):
            raise GatewayError("the database is empty or of an older version; the gateway's start mends that")
    return engine, Ledger(engine, settings.data_dir)


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
        told = " ".join(str(cause).split())
        raise ConfigurationError(f"database: cannot be opened{where}: {told}") from None


def hide_from_others(data_dir: Path) -> None:
    """Take from other users what an earlier version let them read: new files are made under umask 027."""
    for file in data_dir.glob("gateway.sqlite*"):
        with suppress(OSError):  # another user's
            file.chmod(file.stat().st_mode & ~0o027)


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
        marks = _marks(settings, ledger)
        spool = Spool(marks.received.root, marks.received)
    scp = StorageSCP(settings.scp, spool, ledger)
    recorder = RefusalRecorder(Refusals(ledger))
    recorder.start()
    return_what_is_freed()
    scp.start()
    host, port = scp.address
    trail.started(role="receive")
    _announce(stop, supervised=supervised, ae_title=settings.scp.ae_title, host=host, port=port)
    stop.wait()
    release_vital()
    scp.stop(settings.shutdown_seconds)
    recorder.stop()
    trail.stopped(role="receive")
    trail.close_trail()
    log_event("stopped")


def work(settings: Settings, *, supervised: bool = False) -> None:
    """Answer and deliver until SIGTERM."""
    stop = _until_told(supervised=supervised)  # before imports that take seconds
    from gateway.worker.engine import BATCHES_IN_FLIGHT, Engine
    from gateway.worker.pipeline import open_pipeline

    open_log(settings.data_dir, role="work", rules=settings.log)
    database, ledger = open_database(settings)
    trail.open_trail(settings)
    with writing(settings.data_dir):
        marks = _marks(settings, ledger)
        pipeline = open_pipeline(settings, marks)
        executor_id = take_name(settings.data_dir / "run", ledger)
    pipeline.warm_up()
    engine = Engine(settings, database, ledger, pipeline, marks, executor_id)
    try:
        engine.start()
    except Exception:
        log_bug("bug", task="start")
        flush_log()
        os._exit(1)  # else its threads would keep a worker alive that does not serve
    limit_memory(settings.select.max_megapixels, images_at_once=BATCHES_IN_FLIGHT)
    trail.started(role="work")
    _announce(stop, supervised=supervised, executor_id=executor_id, model=pipeline.model.name)
    stop.wait()
    release_vital()
    engine.stop()
    trail.stopped(role="work")
    trail.close_trail()
    log_event("stopped", executor_id=executor_id)
    flush_log()
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
    recorder = RefusalRecorder(site.refusals)
    recorder.start()
    server = WebServer(site)
    server.start()
    trail.started(role="web")
    _announce(stop, supervised=supervised, url=server.url)
    stop.wait()
    release_vital()
    server.stop(settings.shutdown_seconds)
    recorder.stop()
    trail.stopped(role="web")
    trail.close_trail()
    log_event("stopped")
    flush_log()
    os._exit(0)  # what still renders a picture is nobody's loss


def _marks(settings: Settings, ledger: Ledger) -> Marks:
    """Return the marks of the folders; say which folder is not there: its images wait."""
    marks = marks_of(settings.data_dir, ledger)
    for mark in marks:
        problem = mark.problem()
        if problem:
            log_event("folder_away", folder=str(mark.root), reason=problem)
    return marks


def _announce(stop: threading.Event, *, supervised: bool, **data: object) -> None:
    if stop.is_set():
        return
    log_event("started" if supervised else "ready", **data)
    if supervised:
        _tell_supervisor(f"{READY} {' '.join(f'{key}={value}' for key, value in data.items())}")
    threading.Thread(target=_tell_of_life, args=(supervised,), name="pulse", daemon=True).start()


def _tell_of_life(supervised: bool) -> None:
    while True:
        time.sleep(PULSE_SECONDS)
        _end_if_a_thread_failed()
        if supervised:
            _tell_supervisor("")


def _end_if_a_thread_failed() -> None:
    """End this role, so that it is started again whole."""
    for name, problem in failed_vital().items():
        log_event("thread_failed", thread=name, problem=problem)
        flush_log()
        os._exit(1)


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


ROLES: dict[str, Callable[..., None]] = {"receive": receive, "work": work, "web": web}

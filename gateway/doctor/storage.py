"""Checks disk, folders and database. Nothing is migrated or repaired."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from gateway.doctor.database_server import server
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.doctor.network import is_answered
from gateway.errors import GatewayError, Retry
from gateway.files.answering import Answering
from gateway.files.folders import existing
from gateway.records import State
from gateway.settings import S3Store, Settings
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.migrate import is_older
from gateway.store.missing_files import waiting
from gateway.store.queries.images import Images
from gateway.store.server_state import advice_on
from gateway.store.stores import look_into_stores

SLOW_SYNC_MS = 50.0  # at 20 images a second the disk alone would be busy all the time


def disk(settings: Settings) -> Iterator[Finding]:
    """Yield the findings on the disk: write access, time of a sync, and free space."""
    if problem := settings.directory.missing_mount():
        yield wrong("disk", f"{settings.data_dir}: {problem}", "here: the gateway does not start until then")
        return
    there = existing(settings.data_dir)
    try:
        milliseconds = _sync_ms(there)
    except OSError as error:
        yield wrong(
            "disk",
            f"{settings.data_dir} cannot be written: {error.strerror}",
            "here: give this user the right to write there, or set data_dir",
        )
        return
    doing = "written" if there == settings.data_dir else "made"
    told = f"{settings.data_dir} can be {doing}"
    yield _space(settings, told, shutil.disk_usage(there).free)
    yield from _space_of_images(settings)
    if milliseconds > SLOW_SYNC_MS:
        told = f"a sync takes {milliseconds:.0f} ms"
        yield doubtful("disk", told, "here: a faster disk for data_dir; each image waits for three syncs")


def _sync_ms(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"doctor")
        file.flush()
        start = time.perf_counter()
        os.fsync(file.fileno())
    return 1000 * (time.perf_counter() - start)


def _space_of_images(settings: Settings) -> Iterator[Finding]:
    """Yield the finding on the disk of images that lie outside `data_dir`; where it is away, others tell."""
    if folder := settings.images_elsewhere:
        with suppress(Retry, OSError):
            yield _space(settings, str(folder), Answering(folder).free_bytes())


def _space(settings: Settings, told: str, free: int) -> Finding:
    told = f"{told}, {free / 1e9:.1f} GB free"
    if free >> 20 < settings.scp.reject_below_disk_mb:
        advice = f"here: free some; below {settings.scp.reject_below_disk_mb} MB associations are rejected"
        return wrong("disk", told, f"{advice} (scp.reject_below_disk_mb)")
    limit = settings.scp.min_free_disk_mb
    if free >> 20 >= limit:
        return good("disk", told)
    advice = f"here: free some; below {limit} MB (scp.min_free_disk_mb) every image is refused with A700"
    return wrong("disk", told, advice)


def database(settings: Settings) -> Iterator[Finding]:
    """Yield the findings on the database, which is opened without migration, and on stuck work."""
    if settings.database == "sqlite" and not settings.directory.database.exists():
        yield _no_database(settings)
        return
    engine = _opened(settings.database_url)
    try:
        yield from server(settings, engine)
        if is_older(engine):
            yield doubtful("database", "is older than this gateway", "nothing: the next start upgrades it")
        else:
            ledger = Ledger(engine, settings.directory.kept)
            configured = {each.name for each in settings.destinations}
            yield from _folders(settings, ledger)
            yield from _ledger(Images(ledger), configured)
    except (sa.exc.SQLAlchemyError, GatewayError) as error:
        told = " ".join(str(getattr(error, "orig", None) or error).split())
        yield wrong("database", told, advice_on(told))
    finally:
        engine.dispose()


def _no_database(settings: Settings) -> Finding:
    """Tell the time before the first start from a disk that is not mounted any more."""
    if is_answered(settings.scp.bind, settings.scp.port):
        told = f"none in {settings.data_dir}, though a gateway listens: is its disk mounted?"
        return wrong("database", told, "here: mount it; until then nothing is received")
    told = f"none in {settings.data_dir} yet, made at the first start"
    return good("database", f"{told}; if a gateway has run there, its disk is not mounted")


def _opened(url: str) -> sa.Engine:
    """Open the server that takes writes, or else one that tells why it takes none."""
    engine = open_engine(url)
    try:
        engine.connect().close()
    except sa.exc.DBAPIError:
        engine.dispose()
        return open_engine(url, writable=False)
    return engine


def _folders(settings: Settings, ledger: Ledger) -> Iterator[Finding]:
    """Yield whether the stores are there and the ledger's, and which images wait for their files."""
    for store in look_into_stores(settings, ledger) or ():
        problem = store.problem()
        if problem:
            yield wrong(
                f"folder {store.root.name}", problem, "here: until then its images wait; nothing is lost"
            )
        elif isinstance(settings.store, S3Store):
            yield good(f"folder {store.root.name}", f"{store.place} is there")
    if uids := waiting(ledger):
        told = f"{len(uids)} images wait for files that their store does not have, as {uids[0]}"
        advice = "here: gateway show UID says which; put them back, or gateway give-up UID, for good"
        yield wrong("files", told, advice)


def _ledger(images: Images, configured: set[str]) -> Iterator[Finding]:
    states = images.states()
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no images yet"
    if states.get(State.FAILED):
        advice = "here: gateway list --state failed says why; once mended, gateway retry --failed"
        yield doubtful("database", told, advice)
    else:
        yield good("database", told)
    for name, error in images.away():
        yield doubtful(
            "database", f"{name} was away at the last attempt: {error}", "see that destination below"
        )
    for name, since in images.hanging():
        told = f"a delivery to {name} has been in hand since {since:%H:%M:%S} UTC, far beyond its timeouts"
        yield wrong("database", told, "there: does it answer, is its disk mounted? here: restart the worker")
    for title, count in images.unrouted().items():
        told = f"{count} answers for {title} lie here: no route matched"
        advice = "here: state one under routes, restart, then gateway retry --failed"
        yield wrong("database", told, advice)
    for name in sorted(set(images.waiting()) - configured):
        told = f"results wait for {name}, which is not configured"
        advice = "here: name it under destinations again, or gateway resend to another one"
        yield wrong("database", told, advice)

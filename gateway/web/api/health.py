"""`/health`: liveness, and readiness to receive, answer and deliver images. Monitors call it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from gateway.errors import GatewayError, Retry
from gateway.model.card import CARD_NAME, read_card
from gateway.store.clock import now
from gateway.store.missing_files import waiting
from gateway.store.workers import Workers
from gateway.telemetry.role_status import read_role_status
from gateway.web.disks import disks
from gateway.web.pages.words import duration
from gateway.web.site import Site
from gateway.worker.answering import PROBLEM

SHIPPED = "gateway.model"
STAND_IN = "PyTorch float32"  # on a processor, where OpenVINO should answer
SILENT_WORKER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; `text` is a sentence."""

    name: str
    ok: bool
    text: str


def routes(site: Site) -> APIRouter:
    """Return `/health/live` and `/health/ready`; both need no authentication and hold no patient data."""
    router = APIRouter(prefix="/health", tags=["operation"])
    disk_threads = CapacityLimiter(4)  # their own: those of other requests may be lost to the disk

    @router.get("/live", summary="The web server answers")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get(
        "/ready",
        summary="Images that come now are received, answered and delivered",
        responses={503: {"description": "A check failed; `checks` has the details"}},
    )
    async def ready() -> Response:
        try:
            await to_thread.run_sync(site.data_dir.check, limiter=disk_threads)
        except Retry as hangs:  # nothing else can be asked then
            findings = [Check("disk", False, str(hangs))]
        else:
            findings = await to_thread.run_sync(site.remembered.get, "ready", 1.0, lambda: examine(site))
        fine = all(finding.ok for finding in findings)
        checks = {each.name: {"ok": each.ok, "detail": each.text} for each in findings}
        status = HTTPStatus.OK if fine else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": "ready" if fine else "not ready", "checks": checks}, status)

    return router


def examine(site: Site) -> list[Check]:
    """Check every part of the data path."""
    examinations: list[Callable[[Site], Iterator[Check]]] = [_roles, _disk, _model]
    if not site.settings.web.public_upload:
        examinations += [_folders, _queue, _workers, _last]
    found: list[Check] = []
    for examination in examinations:
        try:
            found += examination(site)
        except GatewayError as error:
            found.append(Check(examination.__name__.strip("_"), False, str(error)))
        except OSError as error:  # no descriptor is left, or a disk fails
            found.append(Check(examination.__name__.strip("_"), False, os.strerror(error.errno or 0)))
    return found


def _roles(site: Site) -> Iterator[Check]:
    for name, role in sorted(read_role_status(site.settings.directory.role_status).items()):
        yield Check(f"role {name}", role.state == "serving", f"{role.state} {role.detail}".strip())


def _disk(site: Site) -> Iterator[Check]:
    found = disks(site)
    free = min(disk.free for disk in found.values()) >> 20
    told = ", ".join(f"{disk.free >> 20} MB free for {name}" for name, disk in found.items())
    yield Check("disk", free >= site.settings.scp.min_free_disk_mb, told)


def _folders(site: Site) -> Iterator[Check]:
    """Check that the stores are there and the ledger's; images wait otherwise."""
    for store in site.stores:
        if store.problem():
            yield Check(f"folder {store.root.name}", False, "is away: its images wait; see gateway doctor")
    count = len(waiting(site.ledger))
    if count:
        yield Check("files", False, f"{count} images wait for their files; see gateway doctor")


def _model(site: Site) -> Iterator[Check]:
    card = site.remembered.get("card", 60.0, lambda: model_of(site))
    told = [
        worker[PROBLEM]
        for worker in Workers(site.ledger).answering(SILENT_WORKER_SECONDS)
        if PROBLEM in worker
    ]
    text = f"; images wait, since {told[0]}" if told else engines_of(site)
    yield Check("model", not told, card + text)


def model_of(site: Site) -> str:
    """Return name and version of the configured model, without opening its weights."""
    path = site.settings.model.path or _shipped()
    if path.is_dir():
        path = path / CARD_NAME
    if path.suffix != ".yaml" and not path.with_suffix(".yaml").exists():
        return f"{path.stem} without a card"
    card = read_card(path.with_suffix(".yaml"))
    return f"{card.name} {card.version}"


def engines_of(site: Site) -> str:
    """Return the engines of the living workers in words; empty where no worker lives.

    PyTorch on a processor, though the settings do not ask for it, stands in for OpenVINO.
    """
    used = {str(worker.get("engine")) for worker in Workers(site.ledger).answering(SILENT_WORKER_SECONDS)}
    words = ", ".join(sorted(used))
    if STAND_IN in used and site.settings.model.engine != "torch":
        words += " in the place of OpenVINO: see gateway doctor"
    return f" by {words}" if used else ""


def _shipped() -> Any:
    from importlib.resources import files

    return files(SHIPPED) / "weights"


def _queue(site: Site) -> Iterator[Check]:
    waiting, oldest = site.traffic.queue()
    age = (now() - oldest).total_seconds() if oldest else 0.0
    text = f"{waiting} images wait, the oldest for {duration(age)}" if waiting else "empty"
    yield Check("queue", age < site.settings.web.late_after_seconds, text)


def _workers(site: Site) -> Iterator[Check]:
    """Check the heartbeats of the workers of all machines."""
    silent = {name: (now() - beat).total_seconds() for name, beat in site.traffic.workers().items()}
    living = [name for name, seconds in silent.items() if seconds < SILENT_WORKER_SECONDS]
    text = f"{len(living)} of {len(silent)} heard of within {SILENT_WORKER_SECONDS:.0f} s"
    yield Check("workers", bool(living), text)


def _last(site: Site) -> Iterator[Check]:
    """Report the last reception and delivery; silence is not a failure."""
    received, delivered = site.traffic.last_received(), site.traffic.last_delivered()
    yield Check("last received", True, received.isoformat() if received else "never")
    yield Check("last delivered", True, delivered.isoformat() if delivered else "never")
    known = site.traffic.destinations()
    away = [each.name for each in known if each.failures]
    yield Check("destinations", True, f"away: {', '.join(away)}" if away else "none is away")
    hanging = [each.name for each in known if each.hangs_since]
    text = f"in hand for too long: {', '.join(hanging)}" if hanging else "none hangs"
    yield Check("deliveries", not hanging, text)

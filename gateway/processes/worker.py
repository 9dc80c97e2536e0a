"""The composition root of a worker, the role `work`: builds pipeline, engine, couriers and cleaner."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.processes.couriers import couriers_of
from gateway.processes.stores import open_role_stores
from gateway.records import ModelIdentity
from gateway.sandbox.child import Child
from gateway.sandbox.process import Sandbox
from gateway.settings import Settings
from gateway.settings.processes import sandbox_count
from gateway.store.database_errors import errors_are_for_later
from gateway.store.ledger import Ledger
from gateway.store.objects import Stores
from gateway.store.outbox import Outbox
from gateway.store.pictures import Pictures
from gateway.store.retention import Cleaner
from gateway.telemetry.events import Event
from gateway.telemetry.log import flush_log, log_bug, log_event
from gateway.worker.answerer import Answerer
from gateway.worker.engine import BATCHES_IN_FLIGHT, Engine
from gateway.worker.inference import batch_size, open_predictor
from gateway.worker.pipeline import Pipeline
from gateway.worker.reader_reports import ReaderReports
from gateway.worker.result_rejections import Rejecter, ResultRejections, Withdrawals
from gateway.worker.sandboxes import ImageSandbox, ImageSandboxes, open_stages
from gateway.worker.worker_id import take_name


@dataclass(frozen=True, slots=True)
class Worker:
    """The role `work`."""

    pipeline: Pipeline
    engine: Engine
    sandboxes: ImageSandboxes
    worker_id: str

    def start(self) -> Mapping[str, object]:
        """Resume what was left, then answer what arrives; see `Role`."""
        try:
            with errors_are_for_later():
                self.engine.start()
        except Retry as retry:  # the supervisor starts the role again
            log_event(Event.WAITING, task="start", reason=str(retry))
            _end()
        except Exception:
            log_bug(Event.BUG, task="start")
            _end()
        return {"worker_id": self.worker_id, "model": self.pipeline.model.name}

    def stop(self) -> None:
        """Claim nothing more, finish what is in hand; see `Role`."""
        self.engine.stop()
        self.sandboxes.close()


def _end() -> None:
    """End the process: its threads would keep a worker alive that does not serve."""
    flush_log()
    os._exit(1)


def build(
    settings: Settings,
    database: sa.Engine,
    ledger: Ledger,
    hatched: Sequence[Child] = (),
) -> Worker:
    """Build the role; the model is open and warm when this returns.

    `hatched` holds processes for its sandboxes, which import while the model is opened.
    """
    directory, stores = settings.directory, open_role_stores(settings, ledger)
    predictor = open_predictor(settings)
    if predictor.notice:
        log_event(Event.ENGINE_UNPROVEN, reason=predictor.notice)
    most_kept = BATCHES_IN_FLIGHT * batch_size(settings, predictor)
    sandboxes = _sandboxes(settings, predictor.identity, stores, most_kept, hatched)
    sandboxes.start()
    pipeline = Pipeline(settings, predictor, sandboxes.next)
    worker_id = take_name(directory.run, ledger)
    pipeline.warm_up()
    pictures = Pictures(directory.viewer_cache, settings.web.cache_mb << 20)
    stopping = threading.Event()
    engine = Engine(
        settings,
        database,
        ledger,
        pipeline,
        stores,
        worker_id=worker_id,
        outbox=Outbox(ledger),
        answerer=Answerer(ledger, pipeline, stores, rejecters_of(settings, ledger, stores)),
        couriers=couriers_of(settings, ledger, worker_id, stores),
        cleaner=Cleaner(settings.retention, ledger, stores, pictures, stopping),
        stopping=stopping,
        reader_reports=_reader_reports(settings, ledger, stores),
    )
    return Worker(pipeline, engine, sandboxes, worker_id)


def rejecters_of(settings: Settings, ledger: Ledger, stores: Stores) -> list[Rejecter]:
    """Return what the settings ask for once an image is withdrawn."""
    rejecters: list[Rejecter] = []
    if settings.delivery.rejection_notes:
        rejecters.append(ResultRejections(ledger, stores.results))
    if (stated := settings.delivery.withdrawals) is not None:
        rejecters.append(Withdrawals(ledger, stores.results, stated.result_status))
    return rejecters


def _reader_reports(settings: Settings, ledger: Ledger, stores: Stores) -> ReaderReports | None:
    stated = settings.delivery.reader_reports
    return ReaderReports(ledger, stores.results, stated.organisation, stated.role) if stated else None


def _sandboxes(
    settings: Settings,
    model: ModelIdentity,
    stores: Stores,
    most_kept: int,
    hatched: Sequence[Child],
) -> ImageSandboxes:
    count = sandbox_count(settings)
    arguments = settings, (model,), stores.results.shelf, -(-most_kept // count)
    processes = [
        Sandbox("images", open_stages, *arguments, hatched=process)
        for process, _ in zip_longest(hatched[:count], range(count))
    ]
    return ImageSandboxes([ImageSandbox(process) for process in processes])

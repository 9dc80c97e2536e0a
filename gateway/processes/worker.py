"""The composition root of a worker, the role `work`: builds pipeline, engine, couriers and cleaner."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.processes.couriers import couriers_of
from gateway.processes.folders import open_marks
from gateway.sandbox.memory_limit import limit_memory
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.pictures import Pictures
from gateway.store.retention import Cleaner
from gateway.telemetry.events import Event
from gateway.telemetry.log import flush_log, log_bug
from gateway.worker.answerer import Answerer
from gateway.worker.engine import BATCHES_IN_FLIGHT, Engine
from gateway.worker.isolation import Isolation
from gateway.worker.pipeline import Pipeline, open_pipeline
from gateway.worker.worker_id import take_name


@dataclass(frozen=True, slots=True)
class Worker:
    """The role `work`."""

    settings: Settings
    pipeline: Pipeline
    engine: Engine
    isolation: Isolation
    worker_id: str

    def start(self) -> Mapping[str, object]:
        """Resume what was left, then answer what arrives; see `Role`."""
        try:
            self.engine.start()
        except Exception:
            log_bug(Event.BUG, task="start")
            flush_log()
            os._exit(1)  # else its threads would keep a worker alive that does not serve
        limit_memory(self.settings.select.max_megapixels, images_at_once=BATCHES_IN_FLIGHT)
        return {"worker_id": self.worker_id, "model": self.pipeline.model.name}

    def stop(self) -> None:
        """Claim nothing more, finish what is in hand; see `Role`."""
        self.engine.stop()
        self.isolation.close()


def build(settings: Settings, database: sa.Engine, ledger: Ledger) -> Worker:
    """Build the role; the model is open and warm when this returns."""
    directory, marks = settings.directory, open_marks(settings, ledger)
    pipeline = open_pipeline(settings, marks)
    worker_id = take_name(directory.run, ledger)
    pipeline.warm_up()
    pictures = Pictures(directory.viewer_cache, settings.web.cache_mb << 20)
    stopping, isolation = threading.Event(), Isolation(settings, marks)
    engine = Engine(
        settings,
        database,
        ledger,
        pipeline,
        marks,
        worker_id=worker_id,
        outbox=Outbox(ledger),
        answerer=Answerer(ledger, pipeline, isolation),
        couriers=couriers_of(settings, ledger, worker_id),
        cleaner=Cleaner(settings.retention, ledger, [m.root for m in marks], pictures, marks, stopping),
        stopping=stopping,
    )
    return Worker(settings, pipeline, engine, isolation, worker_id)

"""Durable execution of a worker: claims batches of images, has them answered, resumes after a kill.

The only file that imports DBOS; the worker's composition root builds and starts it. A batch is a DBOS
workflow of the same ID, enqueued in the transaction that claims its images. So DBOS knows every batch that
the ledger knows, and recovers those of a killed worker. The ledger decides what is done: a workflow that runs
twice finds nothing left to do. `_watch` has one job for each failure beyond that; the job names its failure.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowHandle

from gateway.deliver.couriers import Couriers
from gateway.errors import Retry
from gateway.settings import Settings
from gateway.store.database import errors_are_for_later
from gateway.store.ledger import Ledger, now
from gateway.store.marks import Marks
from gateway.store.outbox import Outbox
from gateway.store.retention import Cleaner
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.threads import Vital
from gateway.worker.answerer import RETRY_SECONDS, Answerer
from gateway.worker.pipeline import Pipeline
from gateway.worker.worker_id import SILENT_SECONDS, has_name, life

APPLICATION_VERSION = "1"  # of the workflows: another one only where old rows could not be resumed
ANSWERS = "answers"  # the queue of batches; whichever worker is free takes the next
POLL_SECONDS = 0.05
BATCHES_IN_FLIGHT = 3  # one is decoded and one encoded while one is in the network
BEAT_SECONDS = 5.0
HANGS_SECONDS = 600.0  # a forward pass that has taken so long never ends
KEEP_FINISHED = timedelta(hours=1)  # workflows that have ended; the ledger keeps what they did
FORGET_AT_ONCE = 500
UNDER_WAY = ["PENDING", "ENQUEUED", "DELAYED"]

logging.getLogger("dbos").setLevel(logging.ERROR)


class Engine:
    """One worker's share of the work.

    Parameters
    ----------
    database
        The ledger's; the workflows live in the same one.
    marks
        Of the folders of images and results: where one is not mounted, work waits.
    answerer
        Answers a batch.
    outbox
        Holds the deliveries that a lost worker had in hand.
    worker_id
        Unique among running workers, and the same again when this one is restarted: what it left
        undone is then resumed at once. See `gateway.worker.worker_id`.
    stopping
        The cleaner's, too: once set, nothing more is begun.
    """

    def __init__(
        self,
        settings: Settings,
        database: sa.Engine,
        ledger: Ledger,
        pipeline: Pipeline,
        marks: Marks,
        *,
        worker_id: str,
        outbox: Outbox,
        answerer: Answerer,
        couriers: Couriers,
        cleaner: Cleaner,
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._database = database
        self._ledger = ledger
        self._outbox = outbox
        self._pipeline = pipeline
        self._marks = marks
        self._answerer = answerer
        self._worker_id = worker_id
        self._running: set[str] = set()  # workflows in this process, by ID
        self._got_on_at = time.monotonic()  # when one of them last got on
        self._stopping = stopping
        self._threads: list[threading.Thread] = []
        self._couriers = couriers
        self._cleaner = cleaner

    # --- life

    def start(self) -> None:
        """Resume what was left, then answer what arrives."""
        DBOS(
            config={
                "name": "cxr-gateway",
                "system_database_engine": self._database,
                "executor_id": self._worker_id,
                "application_version": APPLICATION_VERSION,
                "log_level": "ERROR",
            }
        )
        self._register_workflows()
        self._beat()
        DBOS.launch()
        self._client = DBOSClient(system_database_engine=self._database)
        self._register_queues()
        self._see_queues_run()
        self._threads = [
            self._every(POLL_SECONDS, self._collect, HANGS_SECONDS),
            self._every(BEAT_SECONDS, self._watch, HANGS_SECONDS),
            self._every(60 * self._settings.retention.every_minutes, self._cleaner.clean),
            self._every(POLL_SECONDS, self._deliver, HANGS_SECONDS),
            self._every(BEAT_SECONDS, self._couriers.watch, HANGS_SECONDS),
        ]
        self._couriers.start()

    def stop(self) -> None:
        """Claim nothing more, finish what is in hand within the configured time."""
        deadline = time.monotonic() + self._settings.shutdown_seconds
        self._stopping.set()
        self._couriers.stop()
        for thread in self._threads:
            thread.join()
        with suppress(Retry):  # the ledger is away: it is heard that this worker is silent
            self._ledger.beat(self._worker_id, life())
        DBOS.destroy(workflow_completion_timeout_sec=round(self._settings.shutdown_seconds))
        self._couriers.join(deadline)

    def _register_workflows(self) -> None:
        @DBOS.workflow(name="answer", max_recovery_attempts=None)
        def answer(batch: str) -> None:
            with self._noted():
                self._answerer.answer(batch, self._note_progress)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        self._note_progress()
        self._running.add(str(DBOS.workflow_id))
        try:
            yield
        finally:
            self._running.discard(str(DBOS.workflow_id))

    def _note_progress(self) -> None:
        self._got_on_at = time.monotonic()

    def _register_queues(self) -> None:
        DBOS.register_queue(ANSWERS, worker_concurrency=BATCHES_IN_FLIGHT, polling_interval_sec=POLL_SECONDS)

    def _see_queues_run(self) -> None:
        """Let an empty batch through: DBOS takes a second to notice a new queue, a first image need not.

        Where batches were left, they come first: once one runs, so does the queue.
        """
        with self._database.begin() as connection:
            handle = self._enqueue_batch(connection, f"{self._worker_id}:{uuid.uuid4()}")
        while not self._running and handle.get_status().status in UNDER_WAY:
            time.sleep(POLL_SECONDS)

    def _every(
        self, seconds: float, task: Callable[[], None], hangs_seconds: float = float("inf")
    ) -> threading.Thread:
        def repeat() -> None:
            told = ""  # a database that is away for hours is told once
            while not self._stopping.wait(seconds):
                thread.note_progress()
                try:
                    with errors_are_for_later():
                        task()
                    told = ""
                except Retry as error:
                    if told != (told := str(error)):
                        log_event(Event.WAITING, task=thread.name, reason=told)
                    self._stopping.wait(RETRY_SECONDS)
                except Exception:
                    log_bug(Event.BUG, task=thread.name)
                    self._stopping.wait(RETRY_SECONDS)

        thread = Vital(repeat, task.__name__.strip("_"), hangs_seconds)
        thread.start()
        return thread

    # --- from rows to batches

    def _collect(self) -> None:
        """Claim what has arrived and enqueue it, in one transaction."""
        if not self._ledger.has_work() or self._batches_in_flight() >= BATCHES_IN_FLIGHT:
            return
        self._marks.check()
        batch = f"{self._worker_id}:{uuid.uuid4()}"
        with self._ledger.transaction() as connection:
            if self._ledger.claim(connection, batch, self._pipeline.batch_size):
                self._enqueue_batch(connection, batch)

    def _batches_in_flight(self) -> int:
        return len(self._ledger.open_batches(f"{self._worker_id}:"))

    def _enqueue_batch(self, connection: sa.Connection, batch: str) -> WorkflowHandle[None]:
        options: EnqueueOptions = {"workflow_name": "answer", "queue_name": ANSWERS, "workflow_id": batch}
        return self._client.enqueue_in_transaction(connection, options, batch)

    def _deliver(self) -> None:
        """Wake couriers, while the folder is there from which they read."""
        self._marks.results.check()
        self._couriers.wake()

    # --- what was left

    def _watch(self) -> None:
        """Record the worker's heartbeat; take up what others, or DBOS, have left."""
        self._end_if_hung()
        self._beat()
        for worker_id in self._ledger.silent_workers(SILENT_SECONDS):
            self._take_over(worker_id)
        self._resume_lost()
        self._free_orphans()
        self._forget_finished()

    def _end_if_hung(self) -> None:
        """End this process where no batch gets on.

        The failure: a forward pass that never returns, as after a fault of a GPU. Its thread cannot be ended,
        and the role's heartbeat goes on. The batches are begun anew.
        """
        if self._running and time.monotonic() - self._got_on_at > HANGS_SECONDS:
            log_event(Event.WORKER_HANGS, worker_id=self._worker_id, silent_seconds=HANGS_SECONDS)
            os._exit(1)

    def _beat(self) -> None:
        """Tell workers of other machines that this one lives; end it where its ID was given to another.

        The failure: a machine that went silent. On the same machine, the supervisor notices a dead or stopped
        role sooner, by the role's heartbeat (`Lifetime`); that one may not wait for a database that is away.
        """
        if not has_name(self._worker_id, self._ledger):
            log_event(Event.NAME_TAKEN, worker_id=self._worker_id)
            os._exit(1)  # this worker was silent for so long that its work was given to another
        if self._ledger.beat(self._worker_id, life(), self._pipeline.answering):
            log_event(Event.CLOCK_SET_BACK, worker_id=self._worker_id)

    def _take_over(self, worker_id: str) -> None:
        """Resume what a silent worker had begun.

        The failure: its machine is lost, or its supervisor does not start it again. DBOS recovers the
        workflows of a worker only in a worker of the same ID.
        """
        left = _workflows(executor_id=worker_id, status="PENDING")
        DBOS.resume_workflows(left)
        self._outbox.release(worker_id, interrupted=True)
        self._ledger.forget_worker(worker_id)
        log_event(Event.TAKEN_OVER, worker_id=worker_id, workflows=len(left))

    def _resume_lost(self) -> None:
        """Resume what counts as begun here and does not run.

        The failure: the end of a workflow could not be written, as on a full disk. It would count as running
        for ever, and two of them would leave this worker without work.
        """
        begun_before = (now() - timedelta(seconds=SILENT_SECONDS)).isoformat()
        begun = _workflows(executor_id=self._worker_id, status="PENDING", dequeued_before=begun_before)
        lost = [workflow_id for workflow_id in begun if workflow_id not in self._running]
        if lost:
            DBOS.resume_workflows(lost)
            log_event(Event.RESUMED, workflows=len(lost))

    def _free_orphans(self) -> None:
        """Release images whose workflow has ended without them.

        The failure: the database went away while a batch was worked on, and its images could not be released
        either. The workflow ends with that error; nothing would ever claim the images again.
        """
        batches = self._ledger.open_batches()
        if not batches:
            return
        under_way = _workflows(workflow_ids=batches, status=UNDER_WAY)
        for batch in set(batches).difference(under_way):
            self._ledger.release(batch, RETRY_SECONDS, keep_count=True)

    def _forget_finished(self) -> None:
        """Delete workflows that ended long ago: DBOS keeps all, and each worker searches them.

        The failure: a table that grows by a row for each batch, for as long as the gateway runs.
        """
        ended_before = (now() - KEEP_FINISHED).isoformat()
        ended = _workflows(status=["SUCCESS", "ERROR"], completed_before=ended_before, limit=FORGET_AT_ONCE)
        if ended:
            DBOS.delete_workflows(ended)


def _workflows(**which: Any) -> list[str]:
    found = DBOS.list_workflows(**which, load_input=False, load_output=False)
    return [workflow.workflow_id for workflow in found]

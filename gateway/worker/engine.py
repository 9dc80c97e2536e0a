"""Durable execution of a worker: claims batches of images, has them answered, resumes after a kill.

The only file that imports DBOS; the worker's composition root builds and starts it. A batch is a DBOS
workflow of the same ID, started in this process as soon as its images are claimed; DBOS recovers those of a
killed worker. The ledger decides what is done: a workflow that runs twice finds nothing left to do. `_watch`
and `_repair` have one job for each failure beyond that; the job names its failure.

Private names of DBOS used here, so that an idle worker rests: `DBOS._registry`, its `get_internal_queue`,
`Queue._polling_interval_sec`, `_workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC`, and the time for which its
lock outlives an interval, `_sys_db_postgres.BACKGROUND_JOB_LOCK_IDLE_TIMEOUT_MS`; `DBOS._sys_db` and its
`list_queues`; `_scheduler._STARTUP_FAST_POLL_INTERVAL_SEC`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID, _scheduler, _sys_db_postgres, _workflow_commands

from gateway.deliver.couriers import Couriers
from gateway.errors import Retry
from gateway.settings import Settings
from gateway.store.clock import now
from gateway.store.doorbell import Doorbell, Work
from gateway.store.ledger import Ledger
from gateway.store.migrate import one_at_a_time
from gateway.store.objects import Stores
from gateway.store.outbox import Outbox
from gateway.store.retention import Cleaner
from gateway.store.workers import Workers
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from gateway.worker.answerer import RETRY_SECONDS, Answerer
from gateway.worker.answering import PROBLEM
from gateway.worker.pipeline import Pipeline
from gateway.worker.reader_reports import ReaderReports
from gateway.worker.tasks import Tasks
from gateway.worker.worker_id import SILENT_SECONDS, has_name, life

APPLICATION_VERSION = "1"  # of the workflows: another one only where old rows could not be resumed
EARLIER = "answers"  # the queue in which earlier versions of the gateway may have left batches
RECOVERY_SECONDS = 0.05  # interval of looking for workflows to recover, until the first watch
REST_SECONDS = 20.0  # of DBOS: it looks for workflows to recover, and for its own jobs
BATCHES_IN_FLIGHT = 3  # one is decoded and one encoded while one is in the network
BEAT_SECONDS = 5.0
REPAIR_SECONDS = 20.0
HANGS_SECONDS = 600.0  # a forward pass that has taken so long never ends
REPORT_SECONDS = 5.0  # interval of looking for readers' words of which an SR is due
LOOK_AFTER_SECONDS = 30.0  # interval of looking after model servers
KEEP_FINISHED = timedelta(hours=1)  # workflows that have ended; the ledger keeps what they did
FORGET_AT_ONCE = 500
UNDER_WAY = ["PENDING", "ENQUEUED", "DELAYED"]

logging.getLogger("dbos").setLevel(logging.ERROR)
_workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = REST_SECONDS  # delayed workflows, timeouts: there are none
_scheduler._STARTUP_FAST_POLL_INTERVAL_SEC = REST_SECONDS  # schedules: there are none
_sys_db_postgres.BACKGROUND_JOB_LOCK_IDLE_TIMEOUT_MS = int(
    3000 * REST_SECONDS
)  # else it loses a session each


class Engine:
    """One worker's share of the work.

    Parameters
    ----------
    database
        The ledger's; the workflows live in the same one.
    stores
        Of images and results: where one is away, work waits.
    answerer
        Answers a batch.
    outbox
        Holds the deliveries that a lost worker had in hand.
    worker_id
        Unique among running workers, and the same again when this one is restarted: what it left
        undone is then resumed at once. See `gateway.worker.worker_id`.
    stopping
        The cleaner's, too: once set, nothing more is begun.
    reader_reports
        Makes SRs of what readers say; None where the settings do not ask.
    """

    def __init__(
        self,
        settings: Settings,
        database: sa.Engine,
        ledger: Ledger,
        pipeline: Pipeline,
        stores: Stores,
        *,
        worker_id: str,
        outbox: Outbox,
        answerer: Answerer,
        couriers: Couriers,
        cleaner: Cleaner,
        stopping: threading.Event,
        reader_reports: ReaderReports | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._ledger = ledger
        self._workers = Workers(ledger)
        self._outbox = outbox
        self._pipeline = pipeline
        self._stores = stores
        self._answerer = answerer
        self._worker_id = worker_id
        self._running: set[str] = set()  # workflows in this process, by ID
        self._got_on_at = time.monotonic()  # when one of them last got on
        self._suspected: set[str] = set()  # batches that had no workflow at the last look
        self._places = threading.BoundedSemaphore(BATCHES_IN_FLIGHT)
        self._arrivals = Doorbell(settings.directory.run, worker_id, Work.ANSWERS)
        self._results = Doorbell(settings.directory.run, worker_id, Work.DELIVERIES)
        self._stopping = stopping
        self._tasks = Tasks(stopping)
        self._couriers = couriers
        self._cleaner = cleaner
        self._reader_reports = reader_reports

    # --- life

    def start(self) -> None:
        """Resume what was left, then answer what arrives."""
        dbos = DBOS(
            config={
                "name": "cxr-gateway",
                "system_database_engine": self._database,
                "executor_id": self._worker_id,
                "application_version": APPLICATION_VERSION,
                "log_level": "ERROR",
                "use_listen_notify": False,  # nothing here waits for a notice, and a pooler keeps no LISTEN
            }
        )
        self._recovery = dbos._registry.get_internal_queue()
        self._recovery._polling_interval_sec = RECOVERY_SECONDS
        self._register_workflow()
        self._beat()
        self._suspected = set(self._ledger.open_batches(f"{self._worker_id}:"))
        with one_at_a_time(self._database):
            DBOS.launch()
        DBOS.register_queue(EARLIER, worker_concurrency=BATCHES_IN_FLIGHT, polling_interval_sec=REST_SECONDS)
        _look_for_queues_seldom(dbos)
        self._free_orphans()
        self._tasks.upon(self._arrivals, self._collect, HANGS_SECONDS)
        self._tasks.every(BEAT_SECONDS, self._watch, HANGS_SECONDS)
        self._tasks.every(REPAIR_SECONDS, self._repair, HANGS_SECONDS)
        self._tasks.every(LOOK_AFTER_SECONDS, self._pipeline.look_after, HANGS_SECONDS)
        self._tasks.every(60 * self._settings.retention.every_minutes, self._cleaner.clean)
        if self._reader_reports is not None:
            self._tasks.every(REPORT_SECONDS, self._reader_reports.make, HANGS_SECONDS)
        self._tasks.upon(self._results, self._deliver, HANGS_SECONDS)
        self._tasks.every(BEAT_SECONDS, self._couriers.watch, HANGS_SECONDS)
        self._couriers.start()

    def _register_workflow(self) -> None:
        @DBOS.workflow(name="answer", max_recovery_attempts=None)
        def answer(batch: str) -> None:
            self._answer(batch)

        self._workflow = answer

    def stop(self) -> None:
        """Claim nothing more, finish what is in hand within the configured time."""
        deadline = time.monotonic() + self._settings.shutdown_seconds
        self._stopping.set()
        self._couriers.stop()
        self._tasks.join()
        with suppress(Retry):  # the ledger is away: it is heard that this worker is silent
            self._workers.beat(self._worker_id, life())
        DBOS.destroy(workflow_completion_timeout_sec=round(self._settings.shutdown_seconds))
        self._couriers.join(deadline)

    # --- from rows to batches

    def _collect(self) -> datetime | None:
        """Claim what has arrived, a batch for each free place; return when to look again.

        A batch rings when it ends: its place is free.
        """
        while len(self._running) < BATCHES_IN_FLIGHT:
            due = self._ledger.next_due()
            if due is None or due > now():
                return due
            self._stores.check()
            self._pipeline.check()
            batch = f"{self._worker_id}:{uuid.uuid4()}"
            count = self._ledger.claim(batch, self._pipeline.batch_size)
            if count:
                self._begin(batch)
        return None

    def _begin(self, batch: str) -> None:
        self._note_progress()
        self._running.add(batch)
        try:
            with SetWorkflowID(batch):
                DBOS.start_workflow(self._workflow, batch)
        except BaseException:
            self._running.discard(batch)
            raise

    def _answer(self, batch: str) -> None:
        """Answer one batch. Recovered ones wait here where too many run at once."""
        self._note_progress()
        self._running.add(batch)
        try:
            with self._places:
                self._answerer.answer(batch, self._note_progress)
        finally:
            self._running.discard(batch)
            self._arrivals.ring()

    def _note_progress(self) -> None:
        self._got_on_at = time.monotonic()

    def _deliver(self) -> datetime | None:
        """Wake couriers, while the store is there from which they read; return when to look again."""
        self._stores.results.check()
        return self._couriers.wake()

    # --- what was left

    def _watch(self) -> None:
        """Record the worker's heartbeat, unless a batch hangs."""
        self._recovery._polling_interval_sec = REST_SECONDS  # what this worker had left is under way
        self._end_if_hung()
        self._beat()

    def _repair(self) -> None:
        """Take up what others, or DBOS, have left."""
        for worker_id in self._workers.silent(SILENT_SECONDS):
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
        problem = self._pipeline.problem
        answering = self._pipeline.answering | ({PROBLEM: problem} if problem else {})
        if self._workers.beat(self._worker_id, life(), answering):
            log_event(Event.CLOCK_SET_BACK, worker_id=self._worker_id)

    def _take_over(self, worker_id: str) -> None:
        """Resume what a silent worker had begun.

        The failure: its machine is lost, or its supervisor does not start it again. DBOS recovers the
        workflows of a worker only in a worker of the same ID.
        """
        left = _workflows(executor_id=worker_id, status="PENDING")
        DBOS.resume_workflows(left)
        self._outbox.release(worker_id, interrupted=True)
        self._workers.forget(worker_id)
        log_event(Event.TAKEN_OVER, worker_id=worker_id, workflows=len(left))

    def _resume_lost(self) -> None:
        """Resume what counts as begun here and does not run.

        The failure: the end of a workflow could not be written, as on a full disk. It would count as running
        for ever, and two of them would leave this worker without work.
        """
        begun_before = now() - timedelta(seconds=SILENT_SECONDS)
        begun = DBOS.list_workflows(
            executor_id=self._worker_id,
            status="PENDING",
            end_time=begun_before.isoformat(),
            load_input=False,
            load_output=False,
        )
        lost = [
            each.workflow_id
            for each in begun
            if each.workflow_id not in self._running
            and (each.dequeued_at or 0) < 1000 * begun_before.timestamp()
        ]
        if lost:
            DBOS.resume_workflows(lost)
            log_event(Event.RESUMED, workflows=len(lost))

    def _free_orphans(self) -> None:
        """Release images whose workflow has ended without them.

        The failure: the database went away while a batch was worked on, and its images could not be released
        either, and the workflow ends with that error; or the worker was killed between claim and workflow.
        Nothing would ever claim the images again. What was claimed a moment ago gets its workflow a moment
        later, so that only batches without one at two looks are released.
        """
        batches = self._ledger.open_batches()
        under_way = _workflows(workflow_ids=batches, status=UNDER_WAY) if batches else []
        orphans = set(batches).difference(under_way)
        for batch in orphans & self._suspected:
            self._ledger.release(batch, RETRY_SECONDS, keep_count=True)
        self._suspected = orphans

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


def _look_for_queues_seldom(dbos: DBOS) -> None:
    """Let DBOS rest between looks for new queues, for which it has no setting: it looks every second."""
    system_database: Any = dbos._sys_db
    ask, rests_until = system_database.list_queues, float("-inf")

    def list_queues(**which: Any) -> list[Any]:
        nonlocal rests_until
        if time.monotonic() < rests_until:
            return []  # no new ones; those that it knows go on
        rests_until = time.monotonic() + REST_SECONDS
        return list(ask(**which))

    system_database.list_queues = list_queues

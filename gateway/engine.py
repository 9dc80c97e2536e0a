"""Durable execution: claims batches of images, answers them, delivers results, resumes after a kill.

The only file that imports DBOS. The ledger decides what is done: a workflow that runs twice finds
nothing left to do, so it may always be run again.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowHandle

from gateway import settle
from gateway.deliver.attempt import attempt, delay_seconds
from gateway.errors import Retry
from gateway.isolation import Isolation
from gateway.log import log_bug, log_event
from gateway.pipeline import End, Pipeline, Settled
from gateway.records import Reason, State
from gateway.settings import Settings
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox

APPLICATION_VERSION = "1"  # of the workflows: another one only where old rows could not be resumed
POLL_SECONDS = 0.05
BATCHES_IN_FLIGHT = 2  # one is encoded while the next is in the network
ATTEMPTS_TOGETHER = 3  # begun so often without an end, a batch holds suspects
DEATHS = 2  # an image that ended its own process so often is poison
RETRY_SECONDS = 5.0
BEAT_SECONDS = 5.0
SILENT_SECONDS = 60.0

logging.getLogger("dbos").setLevel(logging.ERROR)


class Engine:
    """One worker's share of the work.

    Parameters
    ----------
    database
        The ledger's engine; the workflows live in the same database.
    executor_id
        Unique among running workers, and the same again when this one is restarted: what it left
        undone is then resumed at once.
    """

    def __init__(
        self, settings: Settings, database: sa.Engine, ledger: Ledger, pipeline: Pipeline, executor_id: str
    ) -> None:
        self._settings = settings
        self._database = database
        self._ledger = ledger
        self._outbox = Outbox(ledger)
        self._pipeline = pipeline
        self._isolation = Isolation(settings)
        self._executor_id = executor_id
        self._destinations = {destination.name: destination for destination in settings.destinations}
        self._in_flight: set[str] = set()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    # --- life

    def start(self) -> None:
        """Resume what was left, then answer what arrives."""
        DBOS(
            config={
                "name": "cxr-gateway",
                "system_database_engine": self._database,
                "executor_id": self._executor_id,
                "application_version": APPLICATION_VERSION,
                "log_level": "ERROR",
            }
        )
        self._register_workflows()
        self._ledger.beat(self._executor_id)
        DBOS.launch()
        self._client = DBOSClient(system_database_engine=self._database)
        self._register_queues()
        self._see_queues_run()
        self._threads = [self._every(POLL_SECONDS, self._collect), self._every(BEAT_SECONDS, self._watch)]

    def stop(self) -> None:
        """Claim nothing more, finish what is in hand within the configured time."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._isolation.close()
        DBOS.destroy(workflow_completion_timeout_sec=round(self._settings.shutdown_seconds))

    def _register_workflows(self) -> None:
        @DBOS.workflow(name="answer", max_recovery_attempts=None)
        def answer(batch: str) -> None:
            self._answer(batch)

        @DBOS.workflow(name="deliver", max_recovery_attempts=None)
        def deliver(destination: str, delivery_ids: list[int], attempts: int) -> None:
            self._until_database_answers(lambda: self._deliver(destination, delivery_ids, attempts))

    def _register_queues(self) -> None:
        DBOS.register_queue(
            _answers_of(self._executor_id),
            worker_concurrency=BATCHES_IN_FLIGHT,
            polling_interval_sec=POLL_SECONDS,
        )
        for name in self._destinations:
            DBOS.register_queue(_deliveries_to(name), worker_concurrency=1, polling_interval_sec=POLL_SECONDS)

    def _see_queues_run(self) -> None:
        """Let an empty batch through: DBOS takes a second to notice a new queue, a first image need not."""
        with self._database.begin() as connection:
            handle = self._enqueue_batch(connection, f"{self._executor_id}:{uuid.uuid4()}")
        handle.get_result(polling_interval_sec=POLL_SECONDS)

    def _every(self, seconds: float, task: Callable[[], None]) -> threading.Thread:
        def repeat() -> None:
            while not self._stopping.wait(seconds):
                try:
                    task()
                except Retry as error:
                    log_event("waiting", reason=str(error))
                    self._stopping.wait(RETRY_SECONDS)
                except Exception:
                    log_bug("failed", reason=Reason.INTERNAL_ERROR)
                    self._stopping.wait(RETRY_SECONDS)

        thread = threading.Thread(target=repeat, name=task.__name__)
        thread.start()
        return thread

    # --- from rows to batches

    def _collect(self) -> None:
        """Claim what has arrived and enqueue it, in one transaction."""
        if len(self._in_flight) >= BATCHES_IN_FLIGHT or not self._ledger.has_work():
            return
        batch = f"{self._executor_id}:{uuid.uuid4()}"
        self._in_flight.add(batch)
        claimed = 0
        try:
            with self._ledger.transaction() as connection:
                claimed = self._ledger.claim(connection, batch, self._pipeline.batch_size)
                if claimed:
                    self._enqueue_batch(connection, batch)
        finally:
            if not claimed:
                self._in_flight.discard(batch)

    def _enqueue_batch(self, connection: sa.Connection, batch: str) -> WorkflowHandle[None]:
        options: EnqueueOptions = {
            "workflow_name": "answer",
            "queue_name": _answers_of(self._executor_id),
            "workflow_id": batch,
        }
        return self._client.enqueue_in_transaction(connection, options, batch)

    def _watch(self) -> None:
        """Say that this worker lives; take over from workers that do not."""
        self._ledger.beat(self._executor_id)
        for executor_id in self._ledger.silent_executors(SILENT_SECONDS):
            self._take_over(executor_id)
        self._free_orphans()

    def _take_over(self, executor_id: str) -> None:
        left = DBOS.list_workflows(executor_id=executor_id, status="PENDING", load_input=False)
        left += DBOS.list_workflows(queue_name=_answers_of(executor_id), status="ENQUEUED", load_input=False)
        DBOS.resume_workflows([workflow.workflow_id for workflow in left])
        self._ledger.forget_executor(executor_id)
        log_event("taken_over", executor_id=executor_id, workflows=len(left))

    def _free_orphans(self) -> None:
        """Release images whose workflow ended without them, as after a database that went away."""
        open_batches = set(self._ledger.open_batches())
        if not open_batches:
            return
        ended = DBOS.list_workflows(
            workflow_ids=sorted(open_batches), status=["SUCCESS", "ERROR", "CANCELLED"], load_input=False
        )
        for workflow in ended:
            self._ledger.release(workflow.workflow_id, RETRY_SECONDS, keep_count=True)

    # --- answering

    def _answer(self, batch: str) -> None:
        try:
            instances = self._ledger.begin_batch(batch)
            if any(instance.attempts > ATTEMPTS_TOGETHER for instance in instances):
                for instance in instances:
                    self._answer_isolated(instance)
            else:
                self._record(self._pipeline.answer(instances))
        except Retry as error:
            log_event("waiting", reason=str(error))
            self._ledger.release(batch, RETRY_SECONDS)
        finally:
            self._in_flight.discard(batch)

    def _answer_isolated(self, instance: StoredInstance) -> None:
        """Find the image that ends its process; the others of its batch are answered on the way."""
        while (settled := self._isolation.answer(instance)) is None:
            if self._ledger.count_death(instance.id) >= DEATHS:
                detail = f"its own process ended {DEATHS} times while this image was worked on"
                settled = Settled(instance, End(State.FAILED, Reason.POISON, detail))
                break
        self._record([settled])

    def _record(self, outcomes: Sequence[Settled]) -> None:
        """One transaction: answers, results, what is to be delivered, and the workflows that deliver."""
        recorded: list[Settled] = []
        due: dict[str, list[int]] = defaultdict(list)
        with self._ledger.transaction() as connection:
            for outcome in outcomes:
                written, deliveries = settle.record(outcome, self._ledger, connection)
                recorded += [written] if written else []
                for destination, delivery_ids in deliveries.items():
                    due[destination] += delivery_ids
            for destination, delivery_ids in due.items():
                self._enqueue_delivery(connection, destination, delivery_ids, attempts=0)
        for outcome in recorded:
            settle.log(outcome)

    # --- delivering

    def _until_database_answers(self, task: Callable[[], None]) -> None:
        while True:
            try:
                return task()
            except Retry as error:
                log_event("waiting", reason=str(error))
                if self._stopping.wait(RETRY_SECONDS):
                    raise

    def _deliver(self, name: str, delivery_ids: list[int], attempts: int) -> None:
        left = self._attempt(name, delivery_ids)
        if left:
            delay = delay_seconds(attempts + 1, self._settings.delivery)
            with self._ledger.transaction() as connection:
                self._enqueue_delivery(connection, name, left, attempts=attempts + 1, delay=delay)

    def _attempt(self, name: str, delivery_ids: list[int]) -> list[int]:
        destination = self._destinations.get(name)
        if destination is None:
            log_event("waiting", destination=name, reason="no destination of this name is configured")
            return delivery_ids
        calling_ae_title = self._settings.scp.ae_title
        return attempt(destination, delivery_ids, self._outbox, self._settings.delivery, calling_ae_title)

    def _enqueue_delivery(
        self,
        connection: sa.Connection,
        destination: str,
        delivery_ids: list[int],
        *,
        attempts: int,
        delay: float | None = None,
    ) -> None:
        options: EnqueueOptions = {
            "workflow_name": "deliver",
            "queue_name": _deliveries_to(destination),
            "workflow_id": f"{destination}:{delivery_ids[0]}:{attempts}",
        }
        if delay is not None:
            options["delay_seconds"] = delay
        self._client.enqueue_in_transaction(connection, options, destination, delivery_ids, attempts)


def _answers_of(executor_id: str) -> str:
    return f"answers of {executor_id}"


def _deliveries_to(destination: str) -> str:
    return f"deliveries to {destination}"

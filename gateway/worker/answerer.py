"""Answers one batch of images: reads its rows, runs the pipeline, records every outcome in one transaction.

The engine calls it for each batch, again after a kill. The rows decide what is still to be done, so that a
batch that runs twice changes nothing the second time. An image that ends its process is found and set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.errors import Retry
from gateway.records import Reason, State
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.worker import settle
from gateway.worker.pipeline import End, Pipeline, Settled, bug

ATTEMPTS_TOGETHER = 3
"""A batch with an image that was begun more often, without an end, holds suspects."""

DEATHS = 2
"""Processes that an image may end while alone in them before it counts as poison."""

RETRY_SECONDS = 5.0
"""Delay of an image that cannot be answered now."""


class Suspects(Protocol):
    """Answers one image in a process of its own: see `Isolation`."""

    def answer(self, instance: StoredInstance) -> Settled | None:
        """Return what became of the image, None if it ended the process or did not end in time."""


class Answerer:
    """Answers batches; called by as many threads as batches may be in flight.

    Parameters
    ----------
    suspects
        Answers an image that may have ended its worker.
    """

    def __init__(self, ledger: Ledger, pipeline: Pipeline, suspects: Suspects) -> None:
        self._ledger = ledger
        self._pipeline = pipeline
        self._suspects = suspects

    def answer(self, batch: str, note_progress: Callable[[], None]) -> None:
        """Answer what the batch still holds; an image that cannot be answered now is left to a later batch.

        Raises
        ------
        Retry
            If the database is away. The images stay in the batch: see `Engine._free_orphans`.
        """
        try:
            instances = self._ledger.begin_batch(batch)
            if any(instance.attempts > ATTEMPTS_TOGETHER for instance in instances):
                recorded = sum(self._answer_alone(instance, note_progress) for instance in instances)
            else:
                recorded = self._record(self._pipeline.answer(instances))
            if recorded < len(instances):
                self._ledger.release(batch, RETRY_SECONDS)
        except Retry as error:
            log_event(Event.WAITING, reason=str(error))
            self._ledger.release(batch, RETRY_SECONDS)
        except Exception:
            log_bug(Event.BUG, batch=batch)
            self._ledger.release(batch, RETRY_SECONDS, keep_count=True)

    def _answer_alone(self, instance: StoredInstance, note_progress: Callable[[], None]) -> bool:
        """Answer a suspect; tell whether its outcome is recorded."""
        try:
            self._record([self._outcome_alone(instance, note_progress)])
        except Retry as error:
            log_event(Event.WAITING, sop_instance_uid=instance.sop_instance_uid, reason=str(error))
            return False
        except Exception:
            self._record([Settled(instance, bug(instance))])
        return True

    def _outcome_alone(self, instance: StoredInstance, note_progress: Callable[[], None]) -> Settled:
        note_progress()
        while (settled := self._suspects.answer(instance)) is None:
            if self._ledger.count_death(instance.id) >= DEATHS:
                detail = f"its own process ended {DEATHS} times while this image was worked on"
                return Settled(instance, End(State.FAILED, Reason.POISON, detail))
        return settled

    def _record(self, outcomes: Sequence[Settled]) -> int:
        """Record answers, results and deliveries in one transaction; return how many images that were."""
        with self._ledger.session() as session:
            for outcome in outcomes:
                settle.record(outcome, self._ledger, session)
        return len(outcomes)

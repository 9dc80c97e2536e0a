"""Answers one batch of images: reads its rows, runs the pipeline, records every outcome in one transaction.

The engine calls it for each batch, again after a kill. The rows decide what is still to be done, so that a
batch that runs twice changes nothing the second time. A bug that one image causes ends that image alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.errors import Missing, Retry
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.missing_files import hold
from gateway.store.objects import Stores
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.worker.ends import End, Settled
from gateway.worker.outcome import keep_notes, record_outcomes
from gateway.worker.pipeline import Pipeline
from gateway.worker.result_rejections import Rejecter
from gateway.worker.stages import bug

ATTEMPTS_TOGETHER = 3
"""A batch with an image that was begun more often, without an end, is answered image by image."""

RETRY_SECONDS = 5.0
"""Delay of an image that cannot be answered now."""


MISSING_SECONDS = 60.0
"""Interval of looking for a file that the store does not have."""


class Answerer:
    """Answers batches; called by as many threads as batches may be in flight.

    Parameters
    ----------
    stores
        Gives the images, which the sandboxes read as files, and takes the results that these have written.
    rejecters
        Reject the results of withdrawn images at their destinations.
    """

    def __init__(
        self, ledger: Ledger, pipeline: Pipeline, stores: Stores, rejecters: Sequence[Rejecter] = ()
    ) -> None:
        self._ledger = ledger
        self._pipeline = pipeline
        self._stores = stores
        self._rejecters = rejecters

    def answer(self, batch: str, note_progress: Callable[[], None]) -> None:
        """Answer what the batch still holds; an image that cannot be answered now is left to a later batch.

        Raises
        ------
        Retry
            If the database is away. The images stay in the batch: see `Engine._free_orphans`.
        """
        try:
            begun = self._ledger.begin_batch(batch)
            instances = [instance for instance in begun if self._fetched(instance)]
            if any(instance.attempts > ATTEMPTS_TOGETHER for instance in instances):
                recorded = sum(self._answer_alone(instance, note_progress) for instance in instances)
            else:
                recorded = self._record(self._pipeline.answer(instances, note_progress) if instances else [])
            if recorded < len(begun):
                self._ledger.release(batch, RETRY_SECONDS)
        except Retry as error:
            log_event(Event.WAITING, reason=str(error))
            self._ledger.release(batch, RETRY_SECONDS)
        except Exception:
            log_bug(Event.BUG, batch=batch)
            self._ledger.release(batch, RETRY_SECONDS, keep_count=True)

    def _answer_alone(self, instance: StoredInstance, note_progress: Callable[[], None]) -> bool:
        """Answer one image; tell whether its outcome is recorded."""
        try:
            return bool(self._record(self._pipeline.answer([instance], note_progress)))
        except Retry as error:
            log_event(Event.WAITING, sop_instance_uid=instance.sop_instance_uid, reason=str(error))
            return False
        except Exception:
            return bool(self._record([Settled(instance, bug(instance))]))

    def _fetched(self, instance: StoredInstance) -> bool:
        """Fetch every file that the stages will read; an image without one waits, the others do not."""
        try:
            for path in (instance.path, *(each.path for each in instance.answered)):
                self._stores.received.fetch(path)
        except Missing as error:
            hold(self._ledger, instance, str(error), MISSING_SECONDS)
            return False
        except Retry as error:
            log_event(Event.WAITING, sop_instance_uid=instance.sop_instance_uid, reason=str(error))
            return False
        return True

    def _record(self, outcomes: Sequence[Settled]) -> int:
        """Record answers, results and deliveries in one transaction; return how many images that were."""
        published = [settled for settled in outcomes if self._is_published(settled)]
        written = keep_notes(published, self._ledger, self._rejecters)
        with self._ledger.session() as session:
            record_outcomes(published, self._ledger, session)
            for each in written:
                each.record(session)
        return len(published)

    def _is_published(self, settled: Settled) -> bool:
        """Publish the results of an image; where the store does not take them now, the image waits."""
        if isinstance(settled.outcome, End):
            return True
        try:
            for answer in settled.outcome:
                for result in answer.results:
                    self._stores.results.publish(result.path)
        except Retry as error:
            uid = settled.instance.sop_instance_uid
            log_event(Event.WAITING, sop_instance_uid=uid, reason=str(error))
            return False
        return True

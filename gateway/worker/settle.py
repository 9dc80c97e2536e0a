"""Writes down what became of an image: in the ledger within the caller's transaction, then in the log."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, Stage, State
from gateway.store.descriptions import record_description
from gateway.store.entries import AnswerRecord, StoredInstance, named
from gateway.store.ledger import Ledger, now
from gateway.store.outcome import NO_ROUTE
from gateway.store.timings import record_timings
from gateway.telemetry.log import log_event
from gateway.worker.pipeline import UNCHANGED, Settled


def record(settled: Settled, ledger: Ledger, connection: sa.Connection) -> Settled | None:
    """Record one image's end or answer; return what was recorded.

    That is None where the image had been settled before, by a run that was thought lost.
    """
    written = _record(settled, ledger, connection)
    if written:
        received_at = ledger.received_at(connection, settled.instance)
        taken = {Stage.ANSWER: (now() - received_at).total_seconds()} | dict(settled.seconds)
        record_timings(connection, taken)
        if settled.description:
            record_description(connection, settled.instance.id, settled.description)
    return written


def _record(settled: Settled, ledger: Ledger, connection: sa.Connection) -> Settled | None:
    instance, outcome = settled.instance, settled.outcome
    if isinstance(outcome, AnswerRecord):
        if not ledger.has_twin(connection, instance, outcome.pixel_digest):
            return settled if ledger.record_answer(connection, instance, outcome) else None
        outcome = UNCHANGED
    ended = ledger.end(connection, instance, outcome.state, outcome.reason, outcome.detail)
    return Settled(instance, outcome) if ended else None


def log(settled: Settled) -> None:
    """Tell the log, once the transaction is on disk."""
    instance, outcome = settled.instance, settled.outcome
    if isinstance(outcome, AnswerRecord):
        _log("inferred", instance, label=outcome.label.value, p_pneumonia=_four_digits(outcome.p_pneumonia))
        for result in outcome.results:
            _log("encoded", instance, kind=result.kind, **named(result))
        if not outcome.is_routed:
            _log(State.FAILED.value, instance, reason=Reason.NOT_ROUTED.value, detail=NO_ROUTE)
    else:
        _log(outcome.state.value, instance, reason=outcome.reason.value, detail=outcome.detail)


def _log(event: str, instance: StoredInstance, **data: Any) -> None:
    log_event(
        event,
        sop_instance_uid=instance.sop_instance_uid,
        study_instance_uid=instance.study_instance_uid,
        calling_ae_title=instance.calling_ae_title,
        **data,
    )


def _four_digits(fraction: float | None) -> float | None:
    return None if fraction is None else round(fraction, 4)

"""Records the end or the answer of an image within the caller's session.

`Answerer` calls `record_outcome` once for each image of a batch; the session tells the log after the commit.
"""

from __future__ import annotations

from gateway.records import Stage
from gateway.store.answers import has_twin
from gateway.store.descriptions import record_description
from gateway.store.ledger import Ledger, now
from gateway.store.session import Session
from gateway.store.timings import record_timings
from gateway.worker.stages import UNCHANGED, End, Settled


def record_outcome(settled: Settled, ledger: Ledger, session: Session) -> None:
    """Record the end or the answer of one image, unless a run that was thought lost has done so."""
    if not _record(settled, ledger, session):
        return
    connection = session.connection
    received_at = ledger.received_at(connection, settled.instance)
    taken = {Stage.ANSWER: (now() - received_at).total_seconds()} | dict(settled.seconds)
    record_timings(connection, taken)
    if settled.description:
        record_description(connection, settled.instance.id, settled.description)


def _record(settled: Settled, ledger: Ledger, session: Session) -> bool:
    instance, outcome = settled.instance, settled.outcome
    if not isinstance(outcome, End):
        if not has_twin(session.connection, instance, outcome[0].pixel_digest):
            return ledger.record_answers(session, instance, outcome)
        outcome = UNCHANGED
    return ledger.end(session, instance, outcome.state, outcome.reason, outcome.detail)

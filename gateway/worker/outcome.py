"""Records the ends and the answers of a batch within the caller's session.

`Answerer` calls `record_outcomes` once for each batch; the session tells the log after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.records import Stage
from gateway.store.answers import has_twin
from gateway.store.descriptions import record_descriptions
from gateway.store.ledger import Ledger, now
from gateway.store.session import Session
from gateway.store.timings import record_timings
from gateway.worker.stages import UNCHANGED, End, Settled


def record_outcomes(outcomes: Sequence[Settled], ledger: Ledger, session: Session) -> None:
    """Record the end or the answer of each image, unless a run that was thought lost has done so."""
    new = [settled for settled in outcomes if _record(settled, ledger, session)]
    record_timings(session.connection, *map(_seconds, new))
    described = {each.instance.id: each.description for each in new if each.description}
    record_descriptions(session.connection, described)


def _seconds(settled: Settled) -> dict[Stage, float]:
    return {Stage.ANSWER: (now() - settled.instance.received_at).total_seconds(), **settled.seconds}


def _record(settled: Settled, ledger: Ledger, session: Session) -> bool:
    instance, outcome = settled.instance, settled.outcome
    if not isinstance(outcome, End):
        if not has_twin(session.connection, instance, outcome[0].pixel_digest):
            return ledger.record_answers(session, instance, outcome)
        outcome = UNCHANGED
    return ledger.end(session, instance, outcome.state, outcome.reason, outcome.detail)

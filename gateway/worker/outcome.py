"""Records the ends and the answers of a batch within the caller's session.

`Answerer` calls `record_outcomes` once for each batch; the session tells the log after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.dicom.rejection_note import RejectionNote
from gateway.records import Stage
from gateway.store.answers import answered_twins, has_twin
from gateway.store.descriptions import record_descriptions
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger, now
from gateway.store.rejections import Rejection, keep_rejections, rejected, told, withdraw
from gateway.store.session import AuditEntry, Session
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.subject import subject_of
from gateway.telemetry.events import Event
from gateway.worker.result_rejections import Rejecter, Written
from gateway.worker.stages import UNCHANGED, End, Settled, patient_changed, rejected_by


def record_outcomes(outcomes: Sequence[Settled], ledger: Ledger, session: Session) -> None:
    """Record the end or the answer of each image, unless a run that was thought lost has done so."""
    uids = {settled.instance.sop_instance_uid for settled in outcomes}
    why = rejected(session.connection, uids)
    new = [
        settled
        for settled in outcomes
        if _record(settled, why.get(settled.instance.sop_instance_uid), ledger, session)
    ]
    for settled in new:
        if settled.note is not None:
            given = _rejection(settled.instance, settled.note)
            withdraw(session, given, partial(_audit, ledger, given))
    session.time(*map(_seconds, new))
    described = {each.instance.id: each.description for each in new if each.description}
    record_descriptions(session.connection, described)


def _seconds(settled: Settled) -> dict[Stage, float]:
    return {Stage.ANSWER: (now() - settled.instance.received_at).total_seconds(), **settled.seconds}


def keep_notes(
    outcomes: Sequence[Settled], ledger: Ledger, rejecters: Sequence[Rejecter] = ()
) -> list[Written]:
    """Keep what rejection notes reference, before `record_outcomes` ends them: see `store.rejections`.

    Returns what rejects results in turn, written and not yet registered.
    """
    given = [_rejection(each.instance, each.note) for each in outcomes if each.note]
    if given:
        with ledger.transaction() as connection:
            keep_rejections(connection, given)
    return [written for each in given for rejecter in rejecters for written in rejecter.write(each)]


def _rejection(instance: StoredInstance, note: RejectionNote) -> Rejection:
    return Rejection(note.code, note.title, instance.sop_instance_uid, note.sop_instance_uids)


def _audit(ledger: Ledger, given: Rejection, path: str) -> AuditEntry:
    """Return the audit entry on an image that a note has withdrawn; its file names the patient."""
    note, why = given.note_sop_instance_uid, told(given.title, given.code)
    return lambda: trail.withdrawn(subject_of(ledger.absolute(path)), note=note, why=why)


def _record(settled: Settled, why_rejected: str | None, ledger: Ledger, session: Session) -> bool:
    instance, outcome = settled.instance, settled.outcome
    if why_rejected is not None and not isinstance(outcome, End):
        outcome = rejected_by(why_rejected)
    if not isinstance(outcome, End):
        if not has_twin(session.connection, instance, outcome[0].pixel_digest):
            recorded = ledger.record_answers(session, instance, outcome)
            return _told_of_patient(settled, session) if recorded else False
        outcome = UNCHANGED
    if outcome == UNCHANGED and settled.patient:
        outcome = patient_changed(settled.patient)
    ended = ledger.end(session, instance, outcome.state, outcome.reason, outcome.detail)
    return _told_of_patient(settled, session) if ended else False


def _told_of_patient(settled: Settled, session: Session) -> bool:
    """Tell the answered data sets under this UID that their patient has another identity by now; True."""
    if settled.patient:
        for image in answered_twins(session.connection, settled.instance):
            session.tell(Event.PATIENT_CHANGED, image, attributes=", ".join(settled.patient))
    return True

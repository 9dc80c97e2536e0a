"""Records the ends and the answers of a batch within the caller's session.

`Answerer` calls `record_outcomes` once for each batch; the session tells the log after the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from gateway.dicom.rejection_note import RejectionNote
from gateway.records import Stage
from gateway.store.answers import Answered, answered_twins, twins
from gateway.store.clock import now
from gateway.store.descriptions import record_descriptions
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.rejections import Rejection, keep_rejections, rejected, told, withdraw
from gateway.store.session import AuditEntry, Session
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.subject import subject_of
from gateway.telemetry.events import Event
from gateway.worker.ends import UNCHANGED, End, Settled, patient_changed, rejected_by
from gateway.worker.result_rejections import Rejecter, Written


def record_outcomes(outcomes: Sequence[Settled], ledger: Ledger, session: Session) -> None:
    """Record the end or the answer of each image, unless a run that was thought lost has done so.

    The images are of one batch. Two data sets under one UID are recorded one after the other: the second may
    be the twin of the first.
    """
    left, new = list(outcomes), list[Settled]()
    while left:
        first_of = {settled.instance.sop_instance_uid: settled for settled in reversed(left)}
        new += _record(list(first_of.values()), ledger, session)
        left = [settled for settled in left if first_of[settled.instance.sop_instance_uid] is not settled]
    for settled in new:
        if settled.note is not None:
            given = _rejection(settled.instance, settled.note)
            withdraw(session, given, partial(_audit, ledger, given))
    session.time(*map(_seconds, new))


def _seconds(settled: Settled) -> dict[Stage, float]:
    """Return the durations of an outcome; only of the first answer counts how long the image has waited."""
    if settled.instance.was_answered:
        return dict(settled.seconds)
    return {Stage.ANSWER: (now() - settled.instance.waits_since).total_seconds(), **settled.seconds}


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


def _record(outcomes: Sequence[Settled], ledger: Ledger, session: Session) -> list[Settled]:
    """Record outcomes of images under different UIDs; return those that are recorded now."""
    ends, answered = _decided(outcomes, session)
    recorded = ledger.record_answers(session, list(answered.values())) if answered else set()
    for settled in outcomes:
        image, end = settled.instance, ends.get(settled.instance.id)
        if end and ledger.end(session, image, end.state, end.reason, end.detail):
            recorded.add(image.id)
    new = [settled for settled in outcomes if settled.instance.id in recorded]
    ended = {settled.instance.id: settled.description for settled in new if settled.instance.id in ends}
    record_descriptions(session.connection, ended)
    for settled in new:
        _tell_of_patient(settled, session)
    return new


def _decided(outcomes: Sequence[Settled], session: Session) -> tuple[dict[int, End], dict[int, Answered]]:
    """Decide which images end and which are answered, by their numbers: others may have come before."""
    why = rejected(session.connection, {settled.instance.sop_instance_uid for settled in outcomes})
    ends: dict[int, End] = {}
    answered: dict[int, Answered] = {}
    for settled in outcomes:
        image, outcome = settled.instance, settled.outcome
        if isinstance(outcome, End):
            ends[image.id] = outcome
        elif image.sop_instance_uid in why:
            ends[image.id] = rejected_by(why[image.sop_instance_uid])
        else:
            answered[image.id] = Answered(image, outcome, settled.description)
    for number in _twins(answered.values(), session):
        ends[number] = UNCHANGED
        del answered[number]
    for settled in outcomes:
        if settled.patient and ends.get(settled.instance.id) == UNCHANGED:
            ends[settled.instance.id] = patient_changed(settled.patient)
    return ends, answered


def _twins(answered: Collection[Answered], session: Session) -> set[int]:
    with_digest = [(each.image, each.given[0].pixel_digest) for each in answered]
    return twins(session.connection, with_digest) if with_digest else set()


def _tell_of_patient(settled: Settled, session: Session) -> None:
    """Tell the answered data sets under this UID that their patient has another identity by now."""
    if settled.patient:
        for image in answered_twins(session.connection, settled.instance):
            session.tell(Event.PATIENT_CHANGED, image, attributes=", ".join(settled.patient))

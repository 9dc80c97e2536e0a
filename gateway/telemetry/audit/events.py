"""The messages of PS3.15 A.5.3 that the gateway writes: one function for each event. Pure."""

from __future__ import annotations

from datetime import datetime

from gateway.telemetry.audit.message import (
    Action,
    Asked,
    Code,
    Message,
    Node,
    Outcome,
    Participant,
    Person,
    Source,
    Subject,
)

APPLICATION_ACTIVITY = Code("110100", "Application Activity")
INSTANCES_ACCESSED = Code("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = Code("110104", "DICOM Instances Transferred")
EXPORT = Code("110106", "Export")
PATIENT_RECORD = Code("110110", "Patient Record")
QUERY = Code("110112", "Query")
SECURITY_ALERT = Code("110113", "Security Alert")

START = Code("110120", "Application Start")
STOP = Code("110121", "Application Stop")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")

APPLICATION = Code("110150", "Application")
DESTINATION = Code("110152", "Destination Role ID")
SENDER = Code("110153", "Source Role ID")
DESTINATION_MEDIA = Code("110154", "Destination Media")
URI = Code("110037", "URI")


def started(source: Source, time: datetime, *, role: str) -> Message:
    """A process of the gateway has started (A.5.3.1)."""
    return _activity(source, time, START, role)


def stopped(source: Source, time: datetime, *, role: str) -> Message:
    """A process of the gateway ends as it was told (A.5.3.1)."""
    return _activity(source, time, STOP, role)


def received(
    source: Source, time: datetime, subject: Subject, *, calling_ae_title: str, peer_address: str
) -> Message:
    """An instance was received and is kept (A.5.3.7)."""
    sender = Participant(calling_ae_title, SENDER, True, calling_ae_title, peer_address)
    participants = (sender, _gateway(source, DESTINATION))
    return Message(INSTANCES_TRANSFERRED, Action.CREATE, time, participants, about=subject)


def refused(
    source: Source, time: datetime, subject: Subject, *, calling_ae_title: str, peer_address: str, reason: str
) -> Message:
    """An instance was refused: its C-STORE was answered with a failure (A.5.3.7)."""
    sender = Participant(calling_ae_title, SENDER, True, calling_ae_title, peer_address)
    participants = (sender, _gateway(source, DESTINATION))
    failure = Outcome.SERIOUS_FAILURE
    return Message(
        INSTANCES_TRANSFERRED, Action.CREATE, time, participants, None, failure, reason, about=subject
    )


def sent(
    source: Source,
    time: datetime,
    subject: Subject,
    *,
    destination: str,
    ae_title: str | None = None,
    address: str | None = None,
    error: str | None = None,
) -> Message:
    """An instance was sent to a PACS, or was given up because of `error` (A.5.3.7)."""
    receiver = Participant(destination, DESTINATION, False, ae_title, address)
    participants = (_gateway(source, SENDER, requestor=True), receiver)
    outcome = Outcome.SUCCESS if error is None else Outcome.SERIOUS_FAILURE
    return Message(
        INSTANCES_TRANSFERRED, Action.CREATE, time, participants, None, outcome, error, about=subject
    )


def exported(
    source: Source,
    time: datetime,
    subject: Subject,
    *,
    destination: str,
    user: str | None = None,
    address: str | None = None,
    error: str | None = None,
) -> Message:
    """An instance left for a folder or a download, at a person's wish or by configuration (A.5.3.5).

    Parameters
    ----------
    destination
        A folder or a URL.
    user, address
        Who asked for it and from where; None where nobody did.
    """
    asked = (Participant(user, None, True, None, address),) if user is not None else ()
    gateway = _gateway(source, SENDER, requestor=user is None)
    media = Participant(destination, DESTINATION_MEDIA, False, media=URI)
    outcome = Outcome.SUCCESS if error is None else Outcome.SERIOUS_FAILURE
    return Message(EXPORT, Action.READ, time, (*asked, gateway, media), None, outcome, error, about=subject)


def list_exported(
    source: Source, time: datetime, *, destination: str, user: str, address: str | None, told: str
) -> Message:
    """A list of images left as a download (A.5.3.5); `told` says how many and which."""
    person = Participant(user, None, True, None, address)
    media = Participant(destination, DESTINATION_MEDIA, False, media=URI)
    participants = (person, _gateway(source, SENDER), media)
    return Message(EXPORT, Action.READ, time, participants, None, Outcome.SUCCESS, told)


def requeued(source: Source, time: datetime, *, user: str, address: str | None, told: str) -> Message:
    """A person had many images begin anew at once (A.5.3.6); `told` says how many, which and what for."""
    person = Participant(user, None, True, None, address)
    participants = (person, _gateway(source, APPLICATION))
    return Message(INSTANCES_ACCESSED, Action.UPDATE, time, participants, None, Outcome.SUCCESS, told)


def queried(
    source: Source,
    time: datetime,
    asked: Asked,
    *,
    peer: str,
    ae_title: str | None = None,
    address: str | None = None,
) -> Message:
    """The gateway has asked a source what it has (A.5.3.10), whatever the answer.

    Parameters
    ----------
    peer
        The source: its AE title or URL.
    """
    responder = Participant(peer, DESTINATION, False, ae_title, address)
    participants = (_gateway(source, SENDER, requestor=True), responder)
    return Message(QUERY, Action.EXECUTE, time, participants, about=asked)


def viewed(source: Source, time: datetime, subject: Subject, *, user: str, address: str | None) -> Message:
    """A person looked at an instance (A.5.3.6)."""
    person = Participant(user, None, True, None, address)
    participants = (person, _gateway(source, APPLICATION))
    return Message(INSTANCES_ACCESSED, Action.READ, time, participants, about=subject)


def patient_shown(
    source: Source, time: datetime, patient: Person, *, user: str, address: str | None
) -> Message:
    """A person saw in the worklist who a patient is (A.5.3.11)."""
    participants = (Participant(user, None, True, None, address), _gateway(source, APPLICATION))
    return Message(PATIENT_RECORD, Action.READ, time, participants, about=patient)


def searched(source: Source, time: datetime, question: str, *, user: str, address: str | None) -> Message:
    """A person searched for a patient (A.5.3.10)."""
    asker = Participant(user, SENDER, True, None, address)
    participants = (asker, _gateway(source, DESTINATION))
    return Message(QUERY, Action.EXECUTE, time, participants, about=Asked("worklist", question.encode()))


def withdrawn(source: Source, time: datetime, subject: Subject, *, note: str, why: str) -> Message:
    """A rejection note has withdrawn an instance and the answer to it (A.5.3.6).

    Parameters
    ----------
    note
        SOP Instance UID of the note.
    """
    participants = (_gateway(source, APPLICATION, requestor=True),)
    outcome, told = Outcome.SUCCESS, f"{why}, {note}"
    return Message(INSTANCES_ACCESSED, Action.UPDATE, time, participants, None, outcome, told, about=subject)


def rejected(source: Source, time: datetime, *, peer: str, peer_address: str, why: str) -> Message:
    """A node or a person was turned away before any instance passed (A.5.3.12).

    Parameters
    ----------
    peer
        What it calls itself: an AE title, a web user; empty where it said nothing.
    """
    performer = Participant(peer, None, False, None, peer_address)
    return Message(
        SECURITY_ALERT,
        Action.EXECUTE,
        time,
        (_gateway(source, APPLICATION, requestor=True), performer),
        NODE_AUTHENTICATION,
        Outcome.MINOR_FAILURE,
        why,
        Node(peer_address, why),
    )


def _activity(source: Source, time: datetime, kind: Code, role: str) -> Message:
    process = Participant(f"{source.ae_title} {role}", APPLICATION, False, source.ae_title, source.host)
    return Message(APPLICATION_ACTIVITY, Action.EXECUTE, time, (process,), kind)


def _gateway(source: Source, role: Code, *, requestor: bool = False) -> Participant:
    return Participant(source.ae_title, role, requestor, source.ae_title, source.host)

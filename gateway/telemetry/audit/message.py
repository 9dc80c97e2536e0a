"""An audit message as XML (PS3.15 A.5.1). Pure: no clock, no files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from xml.etree.ElementTree import Element, SubElement, tostring

UNKNOWN = "unknown"  # where the schema demands a value and there is none

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value; DICOM's own coding scheme unless stated."""

    value: str
    meaning: str
    scheme: str = "DCM"


class Action(StrEnum):
    """The action (EventActionCode)."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    EXECUTE = "E"


class Outcome(StrEnum):
    """The outcome (EventOutcomeIndicator)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"  # tried again
    SERIOUS_FAILURE = "8"  # ended


@dataclass(frozen=True, slots=True)
class Participant:
    """A person or process that took part.

    Attributes
    ----------
    user_id
        An AE title, a web user, a URL or a folder.
    address
        An IP address or the name of a machine.
    """

    user_id: str
    role: Code | None
    requestor: bool
    ae_title: str | None = None
    address: str | None = None
    media: Code | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """Instances of one study of one patient; empty where it is not known.

    Attributes
    ----------
    others
        Further SOP classes of the study, each with its instances.
    """

    study_instance_uid: str
    sop_class_uid: str
    sop_instance_uids: tuple[str, ...]
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    others: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """A patient whose name and numbers were shown, without an instance."""

    patient_id: str
    patient_name: str


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that a security alert is about."""

    address: str
    alert: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A query to another system, or of a person to the worklist; it may name a patient.

    Attributes
    ----------
    target
        The SOP class that was queried (PS3.4 C), the URL of a search, or the page that was searched.
    query
        The identifier as it was encoded, the query string of the URL, or what was searched for.
    transfer_syntax_uid
        Of the identifier; None of a URL.
    """

    target: str
    query: bytes
    transfer_syntax_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The reporting gateway, as the audit record repository knows it."""

    source_id: str
    site_id: str | None
    ae_title: str
    host: str


@dataclass(frozen=True, slots=True)
class Message:
    """One event; `time` is aware."""

    event: Code
    action: Action
    time: datetime
    participants: tuple[Participant, ...]
    kind: Code | None = None
    outcome: Outcome = Outcome.SUCCESS
    outcome_description: str | None = None
    about: Subject | Person | Asked | Node | None = None


def xml_of(message: Message, source: Source) -> bytes:
    """Return the message on one line, in UTF-8, without an XML declaration."""
    root = Element("AuditMessage")
    _add_event(root, message)
    for participant in message.participants:
        _add_participant(root, participant)
    _add(
        root,
        "AuditSourceIdentification",
        AuditSourceID=source.source_id,
        AuditEnterpriseSiteID=source.site_id,
    )
    if isinstance(message.about, Subject):
        _add_study(root, message.about)
        _add_patient(root, message.about)
    elif isinstance(message.about, Person):
        _add_patient(root, message.about)
    elif isinstance(message.about, Asked):
        _add_query(root, message.about)
    elif message.about is not None:
        _add_node(root, message.about)
    return tostring(root, encoding="unicode").encode()


def _add_event(root: Element, message: Message) -> None:
    event = _add(
        root,
        "EventIdentification",
        EventActionCode=message.action,
        EventDateTime=message.time.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=message.outcome,
    )
    _add_codes(event, "EventID", [message.event])
    _add_codes(event, "EventTypeCode", [message.kind])
    if message.outcome_description is not None:
        SubElement(event, "EventOutcomeDescription").text = _token(message.outcome_description)


def _add_participant(root: Element, participant: Participant) -> None:
    element = _add(
        root,
        "ActiveParticipant",
        UserID=participant.user_id or UNKNOWN,
        AlternativeUserID=participant.ae_title and f"AETITLES={participant.ae_title}",  # PS3.15 A.5.2.2
        UserIsRequestor=str(participant.requestor).lower(),
        NetworkAccessPointID=participant.address,
        NetworkAccessPointTypeCode=participant.address and _kind_of_address(participant.address),
    )
    _add_codes(element, "RoleIDCode", [participant.role])
    if participant.media is not None:
        _add_codes(SubElement(element, "MediaIdentifier"), "MediaType", [participant.media])


def _kind_of_address(address: str) -> str:
    try:
        ip_address(address.partition("%")[0])
    except ValueError:
        return "1"  # the name of a machine
    return "2"


def _add_study(root: Element, subject: Subject) -> None:
    study = _add_object(
        root, "2", "3", Code("110180", "Study Instance UID"), subject.study_instance_uid, "study"
    )
    description = SubElement(study, "ParticipantObjectDescription")
    if subject.accession_number:
        _add(description, "Accession", Number=subject.accession_number)
    for sop_class_uid, uids in ((subject.sop_class_uid, subject.sop_instance_uids), *subject.others):
        sop_class = _add(description, "SOPClass", UID=sop_class_uid, NumberOfInstances=str(len(uids)))
        for uid in uids:
            _add(sop_class, "Instance", UID=uid)


def _add_patient(root: Element, subject: Subject | Person) -> None:
    number = Code("2", "Patient Number", "RFC-3881")
    _add_object(root, "1", "1", number, subject.patient_id, subject.patient_name)


def _add_node(root: Element, node: Node) -> None:
    element = _add_object(root, "2", "13", Code("110182", "Node ID"), node.address, "node")
    value = base64.b64encode(_token(node.alert).encode()).decode()
    _add(element, "ParticipantObjectDetail", type="Alert Description", value=value)


def _add_query(root: Element, asked: Asked) -> None:
    """A.5.3.10: a report (3) of the system (2), with the query in place of a name."""
    is_dicom = asked.transfer_syntax_uid is not None
    kind = Code("110181", "SOP Class UID") if is_dicom else Code("12", "URI", "RFC-3881")
    element = _add_object(root, "2", "3", kind, asked.target, name=None)
    SubElement(element, "ParticipantObjectQuery").text = base64.b64encode(asked.query).decode()
    if asked.transfer_syntax_uid is not None:
        value = base64.b64encode(asked.transfer_syntax_uid.encode()).decode()
        _add(element, "ParticipantObjectDetail", type="TransferSyntax", value=value)


def _add_object(
    root: Element, kind: str, role: str, id_type: Code, object_id: str, name: str | None
) -> Element:
    """Add an object. The schema demands a name, or a query, which the caller adds where `name` is None."""
    element = _add(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_token(object_id) or UNKNOWN,
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    _add_codes(element, "ParticipantObjectIDTypeCode", [id_type])
    if name is not None:
        SubElement(element, "ParticipantObjectName").text = _token(name) or UNKNOWN
    return element


def _add_codes(parent: Element, name: str, codes: Iterable[Code | None]) -> None:
    for code in filter(None, codes):
        attributes = {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning}
        SubElement(parent, name, attributes)


def _add(parent: Element, name: str, **attributes: str | None) -> Element:
    """Add an element; attributes that are None or empty are left out."""
    return SubElement(parent, name, {key: _token(value) for key, value in attributes.items() if value})


def _token(text: str) -> str:
    """Return what XML can hold, on one line: a peer's text may hold anything."""
    return " ".join(_NOT_XML.sub("�", text).split())

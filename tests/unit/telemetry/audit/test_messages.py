"""Every audit message follows the schema (PS3.15 A.5.1) and the table of its event (A.5.3)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from rnc2rng import dumps, load

from gateway.telemetry.audit import events
from gateway.telemetry.audit.message import UNKNOWN, Asked, Message, Person, Source, Subject, xml_of
from gateway.telemetry.audit.subject import subject_of
from gateway.telemetry.audit.syslog import syslog_line
from tests.support.sources import dx, encoded

SOURCE = Source("GATEWAY_1", "Ward 3", "CXR_GATEWAY", "gateway-host")
NOON = datetime(2026, 5, 17, 12, 30, 15, 250000, tzinfo=UTC)
SUBJECT = Subject("1.2.3", "1.2.840.10008.5.1.4.1.1.1.1", ("1.2.3.4",), "P-0042", "Example^Edith", "A-1001")
PERSON = Person("P-0042", "Example^Edith")
SENDER = {"calling_ae_title": "MODALITY", "peer_address": "10.1.2.3"}

EVENTS: dict[str, Callable[[], Message]] = {
    "started": lambda: events.started(SOURCE, NOON, role="receive"),
    "stopped": lambda: events.stopped(SOURCE, NOON, role="receive"),
    "received": lambda: events.received(SOURCE, NOON, SUBJECT, **SENDER),
    "refused": lambda: events.refused(SOURCE, NOON, SUBJECT, **SENDER, reason="truncated"),
    "sent": lambda: events.sent(
        SOURCE, NOON, SUBJECT, destination="PACS", ae_title="PACS", address="10.1.2.4"
    ),
    "given up": lambda: events.sent(SOURCE, NOON, SUBJECT, destination="https://pacs/dicom-web", error="503"),
    "exported": lambda: events.exported(SOURCE, NOON, SUBJECT, destination="/srv/outbox"),
    "downloaded": lambda: events.exported(
        SOURCE, NOON, SUBJECT, destination="report.pdf", user="rita", address="10.1.2.9"
    ),
    "list exported": lambda: events.list_exported(
        SOURCE, NOON, destination="/worklist.csv", user="rita", address="10.1.2.9", told="3 images of all"
    ),
    "requeued": lambda: events.requeued(
        SOURCE, NOON, user="adam", address="10.1.2.9", told="bulk retry: 3 images of all"
    ),
    "queried": lambda: events.queried(
        SOURCE,
        NOON,
        Asked("1.2.840.10008.5.1.4.1.2.2.1", b"\x08\x00", "1.2.840.10008.1.2"),
        peer="PACS",
        ae_title="PACS",
        address="10.1.2.4",
    ),
    "queried by URL": lambda: events.queried(
        SOURCE, NOON, Asked("https://pacs/studies", b"PatientID=1"), peer="https://pacs", address="pacs"
    ),
    "viewed": lambda: events.viewed(SOURCE, NOON, SUBJECT, user="rita", address="fe80::1%eth0"),
    "listed": lambda: events.listed(SOURCE, NOON, PERSON, user="rita", address="10.1.2.9"),
    "searched": lambda: events.searched(SOURCE, NOON, "patient=山田", user="rita", address="10.1.2.9"),
    "rejected": lambda: events.rejected(
        SOURCE, NOON, peer="STRANGER", peer_address="10.9.9.9", why="not known"
    ),
}

# EventID, EventActionCode, roles of the participants in order, kinds of object in order (PS3.15 A.5.3)
TABLES: dict[str, tuple[str, str, list[str | None], list[str]]] = {
    "started": ("110100", "E", ["110150"], []),
    "stopped": ("110100", "E", ["110150"], []),
    "received": ("110104", "C", ["110153", "110152"], ["110180", "2"]),
    "refused": ("110104", "C", ["110153", "110152"], ["110180", "2"]),
    "sent": ("110104", "C", ["110153", "110152"], ["110180", "2"]),
    "given up": ("110104", "C", ["110153", "110152"], ["110180", "2"]),
    "exported": ("110106", "R", ["110153", "110154"], ["110180", "2"]),
    "downloaded": ("110106", "R", [None, "110153", "110154"], ["110180", "2"]),
    "queried": ("110112", "E", ["110153", "110152"], ["110181"]),
    "queried by URL": ("110112", "E", ["110153", "110152"], ["12"]),
    "list exported": ("110106", "R", [None, "110153", "110154"], []),
    "requeued": ("110103", "U", [None, "110150"], []),
    "viewed": ("110103", "R", [None, "110150"], ["110180", "2"]),
    "listed": ("110110", "R", [None, "110150"], ["2"]),
    "searched": ("110112", "E", ["110153", "110152"], ["12"]),
    "rejected": ("110113", "E", ["110150", None], ["110182"]),
}


@pytest.fixture(scope="module")
def schema() -> etree.RelaxNG:
    grammar = dumps(load(str(Path(__file__).with_name("schema.rnc"))))
    return etree.RelaxNG(etree.fromstring(grammar.encode()))


def tree_of(message: Message) -> Any:
    return etree.fromstring(xml_of(message, SOURCE))


@pytest.mark.parametrize("name", EVENTS)
def test_it_follows_the_schema_and_its_table(name: str, schema: etree.RelaxNG) -> None:
    tree = tree_of(EVENTS[name]())
    schema.assertValid(tree)
    event_id, action, roles, objects = TABLES[name]
    assert tree.find("EventIdentification/EventID").get("csd-code") == event_id
    assert tree.find("EventIdentification").get("EventActionCode") == action
    found = [each.find("RoleIDCode") for each in tree.findall("ActiveParticipant")]
    assert [role if role is None else role.get("csd-code") for role in found] == roles
    kinds = tree.findall("ParticipantObjectIdentification/ParticipantObjectIDTypeCode")
    assert [kind.get("csd-code") for kind in kinds] == objects
    requestors = tree.xpath("ActiveParticipant[@UserIsRequestor='true']")
    assert len(requestors) <= 1  # A.5.2: one at most


def test_the_schema_refuses_what_it_must(schema: etree.RelaxNG) -> None:
    for path in ("ActiveParticipant", "EventIdentification/EventID", "AuditSourceIdentification"):
        tree = tree_of(EVENTS["received"]())
        for found in tree.findall(path):
            found.getparent().remove(found)
        assert not schema.validate(tree), path


def test_it_says_who_sent_whose_image_from_where() -> None:
    tree = tree_of(EVENTS["received"]())
    sender, gateway = tree.findall("ActiveParticipant")
    assert (sender.get("UserID"), sender.get("AlternativeUserID")) == ("MODALITY", "AETITLES=MODALITY")
    assert (sender.get("NetworkAccessPointID"), sender.get("NetworkAccessPointTypeCode")) == ("10.1.2.3", "2")
    assert (gateway.get("UserID"), gateway.get("NetworkAccessPointTypeCode")) == ("CXR_GATEWAY", "1")
    study, patient = tree.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == "1.2.3"
    assert study.find(".//Instance").get("UID") == "1.2.3.4"
    assert study.find(".//Accession").get("Number") == "A-1001"
    assert (patient.get("ParticipantObjectID"), patient.findtext("ParticipantObjectName")) == (
        "P-0042",
        "Example^Edith",
    )
    source = tree.find("AuditSourceIdentification")
    assert (source.get("AuditSourceID"), source.get("AuditEnterpriseSiteID")) == ("GATEWAY_1", "Ward 3")


@pytest.mark.parametrize(("name", "outcome"), [("received", "0"), ("refused", "8"), ("given up", "8")])
def test_it_says_how_it_ended(name: str, outcome: str) -> None:
    event = tree_of(EVENTS[name]()).find("EventIdentification")
    assert event.get("EventOutcomeIndicator") == outcome
    assert (event.findtext("EventOutcomeDescription") is None) == (outcome == "0")


def test_an_alert_describes_itself() -> None:
    detail = tree_of(EVENTS["rejected"]()).find(".//ParticipantObjectDetail")
    assert detail.get("type") == "Alert Description"
    assert base64.b64decode(detail.get("value")) == b"not known"


def test_a_search_holds_the_question() -> None:
    query = tree_of(EVENTS["searched"]()).findtext(".//ParticipantObjectQuery")
    assert base64.b64decode(query).decode() == "patient=山田"


@given(text=st.text())
def test_whatever_a_peer_calls_itself_stays_one_line_of_xml(text: str, schema: etree.RelaxNG) -> None:
    subject = Subject("1.2", "1.2", ("1.2",), text, text, text)
    message = events.refused(SOURCE, NOON, subject, calling_ae_title=text, peer_address=text, reason=text)
    xml = xml_of(message, SOURCE)
    assert b"\n" not in xml
    schema.assertValid(etree.fromstring(xml))


def test_a_syslog_message() -> None:
    message = EVENTS["viewed"]()
    line = syslog_line(message, xml_of(message, SOURCE), "gateway-host")
    head, _, body = line.partition(b"\xef\xbb\xbf")
    pri, time, host, app, _, msgid, data, end = head.decode().split(" ")
    assert (pri, time, host) == ("<85>1", "2026-05-17T12:30:15.250Z", "gateway-host")
    assert (app, msgid, data, end) == ("cxr-gateway", "DICOM+RFC3881", "-", "")
    assert etree.fromstring(body).tag == "AuditMessage"


def test_a_file_says_whom_it_is_about(tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    image = dx(PatientName="Yamada^Tarou=山田^太郎")
    path.write_bytes(encoded(image))
    assert subject_of(path) == Subject(
        image.StudyInstanceUID,
        image.SOPClassUID,
        (image.SOPInstanceUID,),
        "P-0042",
        "Yamada^Tarou=山田^太郎",
        "A-1001",
    )


@pytest.mark.parametrize("content", [None, b"", b"HTML saved as .dcm"])
def test_a_file_that_cannot_be_read_is_about_nobody(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "1.dcm"
    if content is not None:
        path.write_bytes(content)
    subject = subject_of(path)
    assert subject.patient_id == ""
    message = events.received(SOURCE, NOON, subject, **SENDER)
    (study, patient) = tree_of(message).findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == patient.get("ParticipantObjectID") == UNKNOWN


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_an_unknown_character_set_hides_nobody(tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(encoded(dx()).replace(b"ISO_IR 192", b"ISO IR 666"))
    subject = subject_of(path)
    assert (subject.patient_id, subject.patient_name) == ("P-0042", "Example^Edith")

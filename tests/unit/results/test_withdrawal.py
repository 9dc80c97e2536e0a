"""What withdraws a message or a Bundle, read by two independent parsers or models of each."""

import json
from datetime import UTC, datetime
from typing import Any

import hl7
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhirclient.models.bundle import Bundle
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from gateway.records import DICOM, FHIR_JSON, HL7_V2, HL7_WITHDRAWAL
from gateway.results.result import Result
from gateway.results.withdrawal import SENTENCE, withdrawal
from tests.support.messages import bundle, message, segments
from tests.support.sources import dx
from tests.wire.fhir_server import FhirStore

WHEN = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
MESSAGES: dict[str, Any] = {
    "plain": {},
    "Latin": {"source": dx(PatientName="Löwe^Ödön"), "character_set": "8859/1"},
    "any script": {"source": dx(PatientName="Yamada^Tarou=山田^太郎")},
}


def withdrawn(sent: Result, status: str = "X") -> Result:
    return withdrawal(sent.content, sent.media_type, status, WHEN)


@pytest.mark.parametrize("case", MESSAGES.values(), ids=MESSAGES)
def test_two_parsers_read_the_message(case: dict[str, Any]) -> None:
    sent = message(**case)
    codec = "latin-1" if "character_set" in case else "utf-8"
    made = withdrawn(sent)
    text = made.content.decode(codec)
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert (made.kind, made.media_type) == (HL7_WITHDRAWAL, HL7_V2)
    other = hl7.parse(text)
    assert str(other.segment("OBR")[25]) == "X"
    assert {str(each[11]) for each in other.segments("OBX")} == {"W"}
    assert str(other.segment("NTE")[3]) == SENTENCE


def test_a_message_keeps_all_but_its_own_identity_its_times_and_its_status() -> None:
    sent = message()
    before = segments(sent)
    after = [each for each in segments(withdrawn(sent, "C")) if each[0] != "NTE"]
    changed = {
        (old[0], number, new[number])
        for old, new in zip(before, after, strict=True)
        for number in range(len(old))
        if old[number] != new[number]
    }
    control_id = after[0][10]
    assert changed == {
        ("MSH", 7, "20261126123000+0000"),
        ("MSH", 10, control_id),
        ("OBR", 22, "20261126123000+0000"),
        ("OBR", 25, "C"),
        ("OBX", 11, "W"),
    }
    assert len(control_id) == 20


def test_the_same_message_is_withdrawn_by_the_same_identity() -> None:
    sent, later = message(), datetime(2026, 11, 27, tzinfo=UTC)
    first, second = withdrawn(sent), withdrawal(sent.content, sent.media_type, "X", later)
    assert first.name == second.name
    assert first.name != withdrawn(message(dx(AccessionNumber="A-2002"))).name
    assert segments(first)[0][10] == segments(second)[0][10] != segments(sent)[0][10]


def test_a_bundle_turns_report_and_observation_into_errors_for_two_models_of_r4() -> None:
    made = withdrawn(bundle())
    document = json.loads(made.content)
    get_fhir_model_class("Bundle").model_validate(document)
    assert Bundle(document, strict=True).as_json()["type"] == "transaction"
    found = {each["resource"]["resourceType"]: each["resource"] for each in document["entry"]}
    for name in ("DiagnosticReport", "Observation"):
        assert found[name]["status"] == "entered-in-error"
        assert f"<p><b>{SENTENCE}</b></p>" in found[name]["text"]["div"]
    assert found["DiagnosticReport"]["conclusion"].startswith(SENTENCE)
    assert found["Observation"]["note"][0]["text"] == SENTENCE
    assert found["Provenance"]["activity"]["coding"][0]["code"] == "NULLIFY"


def test_a_server_withdraws_what_it_has_and_makes_nothing_twice() -> None:
    store, sent = FhirStore(), bundle()
    for content in (sent.content, *[withdrawn(sent).content] * 2):
        store.transact(json.loads(content))
    assert [each["status"] for each in store.all("DiagnosticReport")] == ["entered-in-error"]
    assert [each["status"] for each in store.all("Observation")] == ["entered-in-error"]
    assert [len(store.all(name)) for name in ("ImagingStudy", "Device", "Provenance")] == [1, 1, 2]


@pytest.mark.parametrize("media_type", [DICOM, HL7_V2, FHIR_JSON])
def test_other_bytes_withdraw_nothing(media_type: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of three sorts
        withdrawal(b"[1]\r", media_type, "X", WHEN)

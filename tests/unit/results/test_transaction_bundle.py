"""The FHIR Bundle of an answer, validated by two independent models of R4."""

import json
from base64 import b64decode
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhirclient.models.bundle import Bundle

from gateway.records import FHIR, FHIR_JSON
from gateway.results.answer import RESEARCH_SENTENCE, Answer, Predecessor
from gateway.results.fhir import BundleRules
from gateway.results.kinds import build_results
from gateway.results.result import Result, ResultRules
from tests.support.answers import NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.messages import answered, bundle
from tests.support.sources import PLAIN_CHEST_XRAY, dx, item

EARLIER = Predecessor("1.2.3", "1.2.3.1", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.77")
ISSUER = item(UniversalEntityID="1.2.276.0.76", UniversalEntityIDType="ISO")
LOCAL = item(CodeValue="XR7", CodingSchemeDesignator="99LOCAL", CodeMeaning="Thorax p.a.")
ZONED = {"TimezoneOffsetFromUTC": "-0330", "AcquisitionDate": "20250402", "AcquisitionTime": "1112"}
CASES: dict[str, Any] = {
    "present": {},
    "absent": {"given": answer(NORMAL)},
    "undetermined": {"given": answer(UNDETERMINED)},
    "corrected": {"given": answer(predecessors=(EARLIER,))},
    "a procedure": {"source": dx(ProcedureCodeSequence=[item(**PLAIN_CHEST_XRAY)])},
    "a local code": {"source": dx(ProcedureCodeSequence=[LOCAL])},
    "systems": {"patient_system": "urn:oid:1.2.3", "accession_system": "https://ris.example/accession"},
    "an issuer": {"source": dx(IssuerOfPatientID="HOSPITAL", IssuerOfPatientIDQualifiersSequence=[ISSUER])},
    "a zone": {"source": dx(**ZONED)},
    "a page": {"pdf": True},
    "any script": {"source": dx(PatientID="患者<1>&\"", AccessionNumber="ж-1")},
    "nearly nothing": {"source": dx(PatientID=None, StudyDate=None, StudyTime=None, AccessionNumber=None)},
}  # fmt: skip


def resources(result: Result) -> dict[str, Any]:
    entries = json.loads(result.content)["entry"]
    return {each["resource"]["resourceType"]: each["resource"] for each in entries}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_pydantic_models_of_r4b_find_it_valid(case: dict[str, Any]) -> None:
    document = json.loads(bundle(**case).content)
    model = get_fhir_model_class("Bundle").model_validate(document)
    assert json.loads(model.model_dump_json())["entry"][0]["request"] == document["entry"][0]["request"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_models_of_r4_find_it_valid(case: dict[str, Any]) -> None:
    document = json.loads(bundle(**case).content)
    assert Bundle(document, strict=True).as_json()["type"] == "transaction"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_bundle_is_preliminary_and_says_that_it_is_for_research(case: dict[str, Any]) -> None:
    found = resources(bundle(**case))
    report, observation = found["DiagnosticReport"], found["Observation"]
    assert {report["status"], observation["status"]} == {"preliminary"}
    assert report["conclusion"].startswith(RESEARCH_SENTENCE)
    assert observation["note"][0]["text"] == RESEARCH_SENTENCE
    assert RESEARCH_SENTENCE in report["text"]["div"]
    assert RESEARCH_SENTENCE in observation["text"]["div"]
    assert "interpretation" not in observation
    assert "conclusionCode" not in report


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_entry_is_conditional_and_every_reference_leads_to_one(case: dict[str, Any]) -> None:
    document = json.loads(bundle(**case).content)
    assert all(
        each["request"].get("ifNoneExist") or "?identifier=" in each["request"]["url"]
        for each in document["entry"]
    )
    urls = {each["fullUrl"] for each in document["entry"]}
    assert len(urls) == 5
    assert set(references_in(document)) <= urls


def references_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [each for part in value.values() for each in references_in(part)]
    return [each for part in value for each in references_in(part)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    ("prediction", "code", "score"),
    [(PNEUMONIA, "52101004", 87.5), (NORMAL, "272519000", 3.1), (UNDETERMINED, "373068000", None)],
)
def test_answer_and_score_are_those_of_the_report(prediction: Any, code: str, score: float | None) -> None:
    observation = resources(bundle(given=answer(prediction)))["Observation"]
    assert observation["code"]["coding"] == [
        {"system": "http://snomed.info/sct", "code": "233604007", "display": "Pneumonia"}
    ]
    assert [each["code"] for each in observation["valueCodeableConcept"]["coding"]] == [code]
    values = [each["valueQuantity"]["value"] for each in observation.get("component", ())]
    assert values == ([score] if score is not None else [])


def requests(given: Answer) -> list[dict[str, str]]:
    entries = json.loads(bundle(dx(SOPInstanceUID="1.2.1", StudyInstanceUID="1.2"), given).content)["entry"]
    return [each["request"] for each in entries]


def test_a_corrected_answer_updates_the_resources_of_the_first() -> None:
    first = requests(answer())
    second = requests(answer(NORMAL, configuration="c1" * 32, predecessors=(EARLIER,)))
    assert [each["method"] for each in first] == ["POST", "POST", "PUT", "PUT", "POST"]
    assert first[:4] == second[:4]
    assert first[4] != second[4], "each answer has its Provenance"
    found = resources(bundle(given=answer(predecessors=(EARLIER,))))
    assert found["Provenance"]["entity"][1] == {
        "role": "revision",
        "what": {
            "type": "DiagnosticReport",
            "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:2.25.77"},
        },
    }


def test_two_images_have_resources_of_their_own() -> None:
    one, two = (resources(bundle(dx(SOPInstanceUID=uid))) for uid in ("1.2.1", "1.2.2"))
    for name in ("Observation", "DiagnosticReport"):
        assert one[name]["identifier"][0] != two[name]["identifier"][0]


def test_the_patient_is_a_logical_reference() -> None:
    source = dx(IssuerOfPatientID="HOSPITAL", IssuerOfPatientIDQualifiersSequence=[ISSUER])
    subject = resources(bundle(source))["DiagnosticReport"]["subject"]
    assert subject["identifier"]["system"] == "urn:oid:1.2.276.0.76"
    assert (subject["type"], subject["identifier"]["value"]) == ("Patient", "P-0042")
    stated = resources(bundle(source, patient_system="https://h.example/mrn"))["DiagnosticReport"]["subject"]
    assert stated["identifier"]["system"] == "https://h.example/mrn"
    assert "Example" not in bundle(source).content.decode(), "the name is not needed"


@pytest.mark.parametrize(
    ("attributes", "time"),
    [
        (ZONED, "2025-04-02T11:12:00-03:30"),
        ({"AcquisitionDate": "20250402", "AcquisitionTime": "111213"}, "2025-04-02"),
        ({"TimezoneOffsetFromUTC": "+0200"}, "2025-04-01T10:15:30+02:00"),
        ({"StudyDate": None}, None),
    ],
)
def test_a_time_has_a_zone_or_is_a_day(attributes: dict[str, Any], time: str | None) -> None:
    observation = resources(bundle(dx(**attributes)))["Observation"]
    assert observation.get("effectiveDateTime") == time


def test_the_imaging_study_names_the_image() -> None:
    source = dx(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4", SOPInstanceUID="1.2.3.4.5")
    study = resources(bundle(source))["ImagingStudy"]
    assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    assert study["identifier"][1]["value"] == "A-1001"
    (series,) = study["series"]
    assert (series["uid"], series["instance"][0]["uid"]) == ("1.2.3.4", "1.2.3.4.5")
    assert series["instance"][0]["sopClass"]["code"] == f"urn:oid:{source.SOPClassUID}"


def test_the_same_answer_is_the_same_bundle() -> None:
    source = dx()
    one, two = bundle(source), bundle(source)
    assert (one.name, one.content) == (two.name, two.content)
    assert (one.kind, one.media_type) == (FHIR, FHIR_JSON)


def test_a_bundle_is_written_only_where_it_is_asked_for() -> None:
    image = answered()
    kinds = [
        [each.kind for each in build_results(image, ResultRules(fhir=rules))]
        for rules in (None, BundleRules())
    ]
    assert kinds == [["sr", "sc"], ["sr", "sc", "fhir"]]


def test_the_page_is_the_presented_form_by_setting() -> None:
    (form,) = resources(bundle(pdf=True))["DiagnosticReport"]["presentedForm"]
    assert form["contentType"] == "application/pdf"
    assert b64decode(form["data"], validate=True).startswith(b"%PDF-")
    assert "RESEARCH ONLY" in form["title"]
    assert "presentedForm" not in resources(bundle())["DiagnosticReport"]

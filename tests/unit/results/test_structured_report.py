"""The report around its content: patient, study, marking, references."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, ExplicitVRLittleEndian
from pydicom.valuerep import validate_pn_component_length

from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.results.answer import Answer, Predecessor
from gateway.results.encoding import encode
from gateway.results.source_header import source_header
from gateway.results.structured_report import structured_report
from tests.support.answers import MODEL, NOON, PNEUMONIA, answer, prediction
from tests.support.sources import cr, dx, item, with_raw


def in_characters(vr: str, group: str | bytes) -> tuple[bool, str]:
    """Judge a person name's group by its characters (PS3.5 6.2): pydicom counts bytes when it reads."""
    return validate_pn_component_length(vr, group.decode() if isinstance(group, bytes) else group)


def report_on(source: Dataset, given: Answer | None = None) -> Dataset:
    """Return the report as a strict reader sees it."""
    written = encode(structured_report(source_header(source), given or answer()))
    with config.strict_reading(), patch("pydicom.valuerep.validate_pn_component_length", in_characters):
        read = dcmread(BytesIO(written))
        read.decode()
        str(read)
    return read


def test_it_is_marked_as_research() -> None:
    report = report_on(dx())
    assert report.ContentQualification == "RESEARCH"
    assert report.SeriesDescription == "AI RESEARCH ONLY - NOT FOR DIAGNOSTIC USE: PA 1/1, v1.2.0"
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert report.PreliminaryFlag == "PRELIMINARY"


def test_the_algorithm_is_identified_alike_in_header_and_tree() -> None:
    report = report_on(dx())
    (equipment,) = report.ContributingEquipmentSequence
    tree = {
        node.ConceptNameCodeSequence[0].CodeValue: node.get("TextValue") or node.get("UID")
        for node in (*report.ContentSequence, *report.ContentSequence[-1].ContentSequence[0].ContentSequence)
    }
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert equipment.Manufacturer == tree["121014"]
    assert equipment.ManufacturerModelName == tree["121015"] == tree["111001"]
    assert equipment.SoftwareVersions == tree["111003"]
    assert equipment.DeviceUID == tree["121012"] == MODEL.device_uid


def test_a_long_model_name_stays_valid_and_equal() -> None:
    model = replace(MODEL, name="a model\\with a name " * 8, version="1.0 " * 40)
    report = report_on(dx(), answer(prediction(0.9, model=model)))
    (equipment,) = report.ContributingEquipmentSequence
    assert len(equipment.ManufacturerModelName) <= 64
    assert equipment.ManufacturerModelName == report.ContentSequence[5].TextValue


def test_patient_and_study_are_the_sources() -> None:
    attributes: dict[str, Any] = {
        "PatientName": "Yamada^Tarou=山田^太郎",
        "PatientID": "P-7",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientBirthDate": "19600101",
        "PatientSex": "M",
        "PatientAge": "065Y",
        "StudyDate": "20250401",
        "StudyTime": "101530.25",
        "StudyID": "S-9",
        "StudyDescription": "Thorax p.a., Größe",
        "AccessionNumber": "A-77",
        "ReferringPhysicianName": "Référent^René",
    }
    source = dx(**attributes)
    report = report_on(source)
    assert {keyword: str(report[keyword].value) for keyword in attributes} == attributes
    assert report.StudyInstanceUID == source.StudyInstanceUID
    assert report.SpecificCharacterSet == "ISO_IR 192"


def test_what_the_source_lacks_is_empty_where_the_standard_wants_it() -> None:
    keywords = "PatientName PatientID PatientSex PatientBirthDate StudyDate StudyTime StudyID AccessionNumber"
    report = report_on(dx(**dict.fromkeys(keywords.split()), ReferringPhysicianName=None))
    assert all(report[keyword].is_empty for keyword in (*keywords.split(), "ReferringPhysicianName"))
    assert "PatientAge" not in report


TEXT = {0x00080005: "CS", 0x00080020: "DA", 0x00080030: "TM", 0x00080050: "SH", 0x00080201: "SH"} | {
    0x00081030: "LO",
    0x00081032: "SQ",
    0x00100010: "PN",
    0x00100020: "LO",
    0x00100040: "CS",
    0x00101010: "AS",
    0x00101030: "DS",
}


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(TEXT)), st.binary(max_size=80), min_size=1))
def test_no_bytes_in_the_header_make_the_report_invalid(values: dict[int, bytes]) -> None:
    report = report_on(with_raw({tag: (TEXT[tag], value) for tag, value in values.items()}))
    assert report.ContentQualification == "RESEARCH"


def test_a_value_that_its_padding_makes_too_long_is_left_out() -> None:
    longest = "ABCDEFGHIJKLMNO"
    for accession, kept in ((longest + "P", longest + "P"), (longest + "\u00e9", "")):
        source = with_raw({0x00080005: ("CS", b"ISO_IR 192"), 0x00080050: ("SH", accession.encode())})
        assert report_on(source).AccessionNumber == kept


@pytest.mark.parametrize(
    ("numbers", "view", "series_number", "described"),
    [
        ({"SeriesNumber": 3, "InstanceNumber": 2}, "AP", 9031, "AP 3/2, v1.2.0"),
        ({"SeriesNumber": 1001, "InstanceNumber": 12}, "frontal", 19011, "frontal 1001/12"),
        ({"SeriesNumber": 3, "InstanceNumber": None}, "unknown", 9031, "image 3, v1.2.0"),
        ({"SeriesNumber": None, "InstanceNumber": None}, "PA", 9001, "PA, v1.2.0"),
        ({"SeriesNumber": 2**31 - 1, "InstanceNumber": 2**31 - 1}, "frontal", 9001, "frontal"),
        ({"SeriesNumber": -5, "InstanceNumber": 1}, "PA", 9001, "PA -5/1, v1.2.0"),
    ],
)
def test_a_result_tells_which_image_it_is_of(
    numbers: dict[str, Any], view: str, series_number: int, described: str
) -> None:
    report = report_on(dx(**numbers), answer(view=view))
    assert report.SeriesNumber == series_number
    assert report.SeriesDescription == f"AI RESEARCH ONLY - NOT FOR DIAGNOSTIC USE: {described}"


def test_a_series_tells_the_version_of_its_model() -> None:
    """Results of two models stand in one study, as two series of the same number."""
    models = (replace(MODEL, version=version) for version in ("1.2.0", "2.0.0"))
    answers = (answer(replace(PNEUMONIA, model=model)) for model in models)
    descriptions = {report_on(dx(), each).SeriesDescription[-6:] for each in answers}
    assert descriptions == {"v1.2.0", "v2.0.0"}


def test_the_evidence_is_the_source() -> None:
    source = cr()
    (study,) = report_on(source).CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (instance,) = series.ReferencedSOPSequence
    assert study.StudyInstanceUID == source.StudyInstanceUID
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert instance.ReferencedSOPClassUID == source.SOPClassUID
    assert instance.ReferencedSOPInstanceUID == source.SOPInstanceUID


def requests_of(*requests: Dataset, **attributes: Any) -> list[dict[str, Any]]:
    """Return what the report of a CR image says of its requests."""
    report = report_on(cr(RequestAttributesSequence=list(requests), **attributes))
    return [
        {
            "id": each.RequestedProcedureID,
            "number": each.AccessionNumber,
            "issuer": [issuer.LocalNamespaceEntityID for issuer in each.get(ISSUER, ())],
            "study": each.StudyInstanceUID if each.StudyInstanceUID != report.StudyInstanceUID else "same",
        }
        for each in report.get("ReferencedRequestSequence", ())
    ]


ISSUER = "IssuerOfAccessionNumberSequence"
OWN = {"AccessionNumber": "A-1", ISSUER: [item(LocalNamespaceEntityID="RIS")]}
STEPS = [
    item(RequestedProcedureID="RP-5", ScheduledProcedureStepID="SPS-1", AccessionNumber="A-5"),
    item(RequestedProcedureID="RP-5", ScheduledProcedureStepID="SPS-2", AccessionNumber="A-5"),
]


def referred(procedure: str, number: str, issuer: list[str], study: str = "same") -> dict[str, Any]:
    return {"id": procedure, "number": number, "issuer": issuer, "study": study}


REQUESTS: dict[str, tuple[list[Dataset], list[dict[str, Any]]]] = {
    "none": ([], []),
    "one without a number has the image's": (
        [item(RequestedProcedureID="RP-5")],
        [referred("RP-5", "A-1", ["RIS"])],
    ),
    "one with the image's number has its issuer": (
        [item(RequestedProcedureID="RP-5", AccessionNumber="A-1")],
        [referred("RP-5", "A-1", ["RIS"])],
    ),
    "one with another number has not": (
        [item(RequestedProcedureID="RP-5", AccessionNumber="A-5")],
        [referred("RP-5", "A-5", [])],
    ),
    "one with an issuer of its own": (
        [item(AccessionNumber="A-1", **{ISSUER: [item(LocalNamespaceEntityID="EAST")]})],
        [referred("", "A-1", ["EAST"])],
    ),
    "one of another study": (
        [item(RequestedProcedureID="RP-5", StudyInstanceUID="1.2.3")],
        [referred("RP-5", "", [], "1.2.3")],
    ),
    "two without numbers": (
        [item(RequestedProcedureID="RP-5"), item(RequestedProcedureID="RP-6")],
        [referred("RP-5", "", []), referred("RP-6", "", [])],
    ),
    "equal items": ([STEPS[0], STEPS[0]], [referred("RP-5", "A-5", [])]),
    "two steps of one request": (STEPS, [referred("RP-5", "A-5", [])]),
    "two steps, one of which says less": (
        [item(RequestedProcedureID="RP-5", ScheduledProcedureStepID="SPS-0"), *STEPS],
        [referred("RP-5", "A-5", [])],
    ),
    "two requests of one order": (
        [item(RequestedProcedureID=each, AccessionNumber="A-1") for each in ("RP-5", "RP-6")],
        [referred("RP-5", "A-1", ["RIS"]), referred("RP-6", "A-1", ["RIS"])],
    ),
    "one number of two issuers": (
        [
            item(AccessionNumber="A-7", **{ISSUER: [item(LocalNamespaceEntityID=each)]})
            for each in ("EAST", "WEST")
        ],
        [referred("", "A-7", ["EAST"]), referred("", "A-7", ["WEST"])],
    ),
    "steps alone": ([item(ScheduledProcedureStepID="SPS-1")] * 2, [referred("", "A-1", ["RIS"])]),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_is_referenced_once_by_numbers_that_are_its_own(name: str) -> None:
    requests, expected = REQUESTS[name]
    assert requests_of(*requests, **OWN) == expected


def test_one_request_gathers_what_its_steps_say() -> None:
    steps = [
        item(RequestedProcedureID="RP-5"),
        item(RequestedProcedureID="RP-5", RequestedProcedureDescription="Thorax p.a."),
    ]
    (request,) = report_on(cr(RequestAttributesSequence=steps)).ReferencedRequestSequence
    assert request.RequestedProcedureDescription == "Thorax p.a."


def test_a_request_has_the_numbers_of_placer_and_filler() -> None:
    numbers = {
        "PlacerOrderNumberImagingServiceRequest": "PL-1",
        "FillerOrderNumberImagingServiceRequest": "FI-2",
    }
    (request,) = report_on(cr(RequestAttributesSequence=[item(**numbers)])).ReferencedRequestSequence
    assert {name: request[name].value for name in numbers} == numbers


def test_a_changed_model_names_its_predecessor() -> None:
    source = dx()
    earlier = structured_report(source_header(source), answer(configuration="old"))
    predecessor = Predecessor(
        earlier.StudyInstanceUID, earlier.SeriesInstanceUID, earlier.SOPClassUID, earlier.SOPInstanceUID
    )
    (study,) = report_on(source, answer(predecessors=(predecessor,))).PredecessorDocumentsSequence
    (instance,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert instance.ReferencedSOPInstanceUID == earlier.SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in earlier


@pytest.mark.parametrize(
    ("source_offset", "created_at", "date", "time"),
    [
        (None, NOON, "20260517", "123015.250000"),
        (None, NOON.astimezone(timezone(timedelta(hours=9))), "20260517", "213015.250000"),
        ("+1300", NOON, "20260518", "013015.250000"),
        ("-0330", NOON, "20260517", "090015.250000"),
    ],
)
def test_times_are_in_the_zone_of_the_study(
    source_offset: str | None, created_at: datetime, date: str, time: str
) -> None:
    report = report_on(dx(TimezoneOffsetFromUTC=source_offset), answer(created_at=created_at))
    assert (report.ContentDate, report.ContentTime) == (date, time)
    assert report.get("TimezoneOffsetFromUTC") == source_offset
    (equipment,) = report.ContributingEquipmentSequence
    assert datetime.strptime(equipment.ContributionDateTime, "%Y%m%d%H%M%S.%f%z") == NOON


@pytest.mark.parametrize(
    ("sr_class", "sop_class_uid"),
    [("comprehensive-3d", Comprehensive3DSRStorage), ("comprehensive", ComprehensiveSRStorage)],
)
def test_both_sop_classes_are_offered(sr_class: Any, sop_class_uid: str) -> None:
    written = encode(structured_report(source_header(dx()), answer(), sr_class))
    read = dcmread(BytesIO(written))
    assert read.SOPClassUID == read.file_meta.MediaStorageSOPClassUID == sop_class_uid


def test_the_file_names_its_writer() -> None:
    meta = report_on(dx()).file_meta
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian

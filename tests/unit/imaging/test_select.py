"""The rules for a frontal chest radiograph: one row for each attribute that can decide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.imaging.select import SelectionRules, select
from gateway.records import Eligible, Ineligible, Reason
from tests.unit.imaging.tiny_image import raw, reread, tiny_image

RULES = SelectionRules()
CR = "1.2.840.10008.5.1.4.1.1.1"
DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MAMMOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.2"


def code(value: str, scheme: str = "SCT") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "in words"
    return [item]


def image(**attributes: Any) -> Dataset:
    """Return a chest image that says nothing of its view."""
    return tiny_image([[0, 255]], **({"ViewPosition": None} | attributes))


VIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "unknown"),
    "View Position PA": ({"ViewPosition": "PA"}, "PA"),
    "View Position AP": ({"ViewPosition": "AP"}, "AP"),
    "View Position unheard of": ({"ViewPosition": "STANDING"}, "unknown"),
    "View Position empty": ({"ViewPosition": ""}, "unknown"),
    "View Code AP": ({"ViewCodeSequence": code("399348003")}, "AP"),
    "View Code PA": ({"ViewCodeSequence": code("272479007")}, "PA"),
    "View Code frontal": ({"ViewCodeSequence": code("399033003")}, "frontal"),
    "View Code SRT AP": ({"ViewCodeSequence": code("R-10206", "SRT")}, "AP"),
    "View Code SRT PA": ({"ViewCodeSequence": code("R-40888", "SNM3")}, "PA"),
    "View Code SRT frontal": ({"ViewCodeSequence": code("R-10202", "SRT")}, "frontal"),
    "View Code of another scheme": ({"ViewCodeSequence": code("399067008", "99X")}, "unknown"),
    "View Code before View Position": (
        {"ViewCodeSequence": code("399348003"), "ViewPosition": "PA"},
        "AP",
    ),
    "Patient Orientation L": ({"PatientOrientation": ["L", "F"]}, "frontal"),
    "Patient Orientation R": ({"PatientOrientation": ["R", "F"]}, "frontal"),
    "Patient Orientation F": ({"PatientOrientation": ["F", "L"]}, "unknown"),
    "Patient Orientation agrees": ({"ViewPosition": "PA", "PatientOrientation": ["L", "F"]}, "PA"),
    "a description": ({"SeriesDescription": "Thorax p.a. stehend"}, "PA"),
    "View Position with another word": ({"ViewPosition": "PA CHEST"}, "PA"),
    "Patient Orientation without rows": ({"PatientOrientation": ["", "A"]}, "unknown"),
    "a description of both views": ({"SeriesDescription": "Chest PA and lateral"}, "unknown"),
    "a description with a longer word": ({"SeriesDescription": "bilateral lungs"}, "unknown"),
}

REFUSALS: dict[str, tuple[dict[str, Any], Reason]] = {
    "another modality": ({"Modality": "CT"}, Reason.NOT_RADIOGRAPH),
    "no modality": ({"Modality": None}, Reason.NOT_RADIOGRAPH),
    "mammography": ({"SOPClassUID": MAMMOGRAPHY}, Reason.NOT_RADIOGRAPH),
    "secondary capture": ({"SOPClassUID": SECONDARY_CAPTURE}, Reason.SECONDARY_CAPTURE),
    "DX For Processing": ({"SOPClassUID": DX_FOR_PROCESSING}, Reason.FOR_PROCESSING),
    "CR for processing": (
        {"SOPClassUID": CR, "PresentationIntentType": "FOR PROCESSING"},
        Reason.FOR_PROCESSING,
    ),
    "quality control": ({"QualityControlImage": "YES"}, Reason.QUALITY_CONTROL),
    "two frames": ({"NumberOfFrames": 2}, Reason.MULTI_FRAME),
    "RGB": ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, Reason.COLOUR),
    "an animal": ({"PatientSpeciesDescription": "Canis lupus familiaris"}, Reason.VETERINARY),
    "an animal's code": ({"PatientSpeciesCodeSequence": code("448771007")}, Reason.VETERINARY),
    "an infant": ({"PatientAge": "011M"}, Reason.AGE_OUT_OF_RANGE),
    "an infant in weeks": ({"PatientAge": "051W"}, Reason.AGE_OUT_OF_RANGE),
    "an infant by birth date": (
        {"PatientBirthDate": "20240105", "StudyDate": "20241201"},
        Reason.AGE_OUT_OF_RANGE,
    ),
    "a hand": ({"BodyPartExamined": "HAND"}, Reason.NOT_CHEST),
    "chest and abdomen": ({"BodyPartExamined": "CHESTABDOMEN"}, Reason.NOT_CHEST),
    "two body parts": ({"BodyPartExamined": ["CHEST", "ABDOMEN"]}, Reason.NOT_CHEST),
    "region of the foot": ({"AnatomicRegionSequence": code("56459004")}, Reason.NOT_CHEST),
    "region chest, body part hand": (
        {"AnatomicRegionSequence": code("816094009"), "BodyPartExamined": "HAND"},
        Reason.NOT_CHEST,
    ),
    "no body part": ({"BodyPartExamined": None}, Reason.BODY_PART_UNKNOWN),
    "unknown body part": ({"BodyPartExamined": "UNKNOWN"}, Reason.BODY_PART_UNKNOWN),
    "described as spine": (
        {"BodyPartExamined": None, "StudyDescription": "Thorax, thoracic spine"},
        Reason.NOT_CHEST,
    ),
    "View Position LL": ({"ViewPosition": "LL"}, Reason.LATERAL),
    "View Position RL": ({"ViewPosition": "RL"}, Reason.LATERAL),
    "View Position LATERAL": ({"ViewPosition": "LATERAL"}, Reason.LATERAL),
    "View Position LLD": ({"ViewPosition": "LLD"}, Reason.LATERAL),
    "View Position RLD": ({"ViewPosition": "RLD"}, Reason.LATERAL),
    "View Position RLO": ({"ViewPosition": "RLO"}, Reason.OBLIQUE),
    "View Position LAO": ({"ViewPosition": "LAO"}, Reason.OBLIQUE),
    "View Code lateral": ({"ViewCodeSequence": code("399067008")}, Reason.LATERAL),
    "View Code right lateral": ({"ViewCodeSequence": code("399198007")}, Reason.LATERAL),
    "View Code left lateral": ({"ViewCodeSequence": code("399173006")}, Reason.LATERAL),
    "View Code SRT lateral": ({"ViewCodeSequence": code("R-102CD", "SRT")}, Reason.LATERAL),
    "View Code oblique": ({"ViewCodeSequence": code("399182000")}, Reason.OBLIQUE),
    "Patient Orientation A": ({"PatientOrientation": ["A", "F"]}, Reason.LATERAL),
    "Patient Orientation P": ({"PatientOrientation": ["P", "F"]}, Reason.LATERAL),
    "a description": ({"ProtocolName": "thorax lat"}, Reason.LATERAL),
    "a lateral labelled PA": (
        {"ViewPosition": "PA", "PatientOrientation": ["A", "F"]},
        Reason.VIEW_CONFLICT,
    ),
    "View Code against View Position": (
        {"ViewCodeSequence": code("399067008"), "ViewPosition": "PA"},
        Reason.VIEW_CONFLICT,
    ),
    "two View Positions": ({"ViewPosition": ["PA", "LL"]}, Reason.VIEW_CONFLICT),
    "View Position against a description": (
        {"ViewPosition": "AP", "SeriesDescription": "CHEST LATERAL"},
        Reason.VIEW_CONFLICT,
    ),
}

ADMITTED: dict[str, dict[str, Any]] = {
    "CR": {"SOPClassUID": CR, "Modality": "CR"},
    "thorax": {"BodyPartExamined": "THORAX"},
    "region thorax": {"BodyPartExamined": None, "AnatomicRegionSequence": code("816094009")},
    "region thoracic structure": {"BodyPartExamined": None, "AnatomicRegionSequence": code("51185008")},
    "region lung": {"BodyPartExamined": None, "AnatomicRegionSequence": code("39607008")},
    "region T-D3000": {"BodyPartExamined": None, "AnatomicRegionSequence": code("T-D3000", "SRT")},
    "region T-28000": {"BodyPartExamined": None, "AnatomicRegionSequence": code("T-28000", "99SDM")},
    "private region, body part chest": {"AnatomicRegionSequence": code("C1", "99ACME")},
    "described as chest": {"BodyPartExamined": None, "StudyDescription": "XR CHEST 2 VIEWS"},
    "a year old": {"PatientAge": "012M"},
    "human": {"PatientSpeciesDescription": "Homo sapiens"},
    "human by code": {"PatientSpeciesCodeSequence": code("337915000")},
    "one frame": {"NumberOfFrames": 1},
}


@pytest.mark.parametrize("name", VIEWS)
def test_view_of_an_eligible_image(name: str) -> None:
    attributes, view = VIEWS[name]
    assert select(reread(image(**attributes)), RULES) == Eligible(view)


@pytest.mark.parametrize("name", ADMITTED)
def test_admitted(name: str) -> None:
    assert select(image(**ADMITTED[name]), RULES) == Eligible("unknown")


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name: str) -> None:
    attributes, reason = REFUSALS[name]
    for ds in (image(**attributes), reread(image(**attributes))):
        verdict = select(ds, RULES)
        assert isinstance(verdict, Ineligible)
        assert verdict.reason is reason
        assert verdict.detail.endswith(".")


def test_the_sentence_names_what_contradicts() -> None:
    verdict = select(image(ViewPosition="PA", PatientOrientation=["A", "F"]), RULES)
    assert verdict == Ineligible(
        Reason.VIEW_CONFLICT, "View Position PA says frontal, but Patient Orientation A says lateral."
    )


@pytest.mark.parametrize(
    ("keyword", "value", "view"),
    [
        ("ViewPosition", b"pa ", "PA"),
        ("ViewPosition", b"\0\0", "unknown"),
        ("BodyPartExamined", b" lung \0", "unknown"),
        ("PatientAge", b"12", "unknown"),
        ("PatientBirthDate", b"20XX0101", "unknown"),
        ("NumberOfFrames", b"many", "unknown"),
    ],
)
def test_malformed_values_count_by_what_they_still_say(keyword: str, value: bytes, view: str) -> None:
    assert select(raw(image(), keyword, None, value), RULES) == Eligible(view)


def test_an_empty_value_of_an_unheard_of_vr_is_no_value() -> None:
    assert select(raw(image(), "Manufacturer", "L\x01", None), RULES) == Eligible("unknown")


def test_patient_data_in_the_wrong_element_is_not_quoted() -> None:
    verdict = select(raw(image(), "BodyPartExamined", "CS", "Müller^Erika".encode()), RULES)
    assert isinstance(verdict, Ineligible)
    assert "ller" not in verdict.detail


def test_the_configuration_admits_secondary_captures_and_ages() -> None:
    capture = image(SOPClassUID=SECONDARY_CAPTURE, PatientAge="006M")
    assert isinstance(select(capture, RULES), Ineligible)
    assert select(capture, SelectionRules(secondary_capture=True, min_age_years=None)) == Eligible("unknown")
    verdict = select(image(PatientAge="090Y"), SelectionRules(max_age_years=89))
    assert isinstance(verdict, Ineligible)
    assert verdict.reason is Reason.AGE_OUT_OF_RANGE


OURS = "2.25.1234"


def equipment(
    manufacturer: str = "CXR Gateway", device_uid: str = OURS, purpose: str = "109102"
) -> list[Dataset]:
    item = Dataset()
    item.Manufacturer, item.DeviceUID = manufacturer, device_uid
    item.PurposeOfReferenceCodeSequence = code(purpose, "DCM")
    return [item]


RESEARCH = {"ContentQualification": "RESEARCH"}
DESCRIBED = {"SeriesDescription": "AI RESEARCH ONLY - NOT FOR DIAGNOSTIC USE"}
OWN: dict[str, tuple[dict[str, Any], bool]] = {
    "everything": ({"ContributingEquipmentSequence": equipment(), **RESEARCH, **DESCRIBED}, True),
    "device UID alone": ({"ContributingEquipmentSequence": equipment("Other")}, True),
    "another gateway": (
        {"ContributingEquipmentSequence": equipment(device_uid="2.25.9"), **RESEARCH},
        True,
    ),
    "qualification stripped": (
        {"ContributingEquipmentSequence": equipment(device_uid="2.25.9"), **DESCRIBED},
        True,
    ),
    "equipment stripped": ({**RESEARCH, **DESCRIBED}, True),
    "manufacturer and qualification": ({"Manufacturer": "CXR Gateway", **RESEARCH}, True),
    "someone's research image": (RESEARCH, False),
    "someone's description": (DESCRIBED, False),
    "only the name": ({"ContributingEquipmentSequence": equipment(device_uid="2.25.9")}, False),
    "another purpose": (
        {"ContributingEquipmentSequence": equipment(purpose="109101"), **RESEARCH},
        False,
    ),
    "someone else's algorithm": (
        {"ContributingEquipmentSequence": equipment("Other", "2.25.9"), **RESEARCH},
        False,
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_own_results_are_recognised_and_no_one_elses(name: str) -> None:
    attributes, own = OWN[name]
    verdict = select(reread(image(**attributes)), SelectionRules(own_device_uids=frozenset({OURS})))
    assert (isinstance(verdict, Ineligible) and verdict.reason is Reason.OWN_RESULT) is own


CODE_STRINGS = ["Modality", "BodyPartExamined", "ViewPosition", "PatientOrientation", "QualityControlImage"]
SEQUENCES = ["ViewCodeSequence", "AnatomicRegionSequence", "ContributingEquipmentSequence"]
OTHERS = ["SOPClassUID", "PatientAge", "PatientBirthDate", "StudyDate", "NumberOfFrames", "SeriesDescription"]
JUNK = st.lists(
    st.tuples(
        st.sampled_from(
            [*CODE_STRINGS, *SEQUENCES, *OTHERS, "PatientSpeciesCodeSequence", "SamplesPerPixel"]
        ),
        st.sampled_from([None, "CS", "SQ", "LO", "AS", "DA", "UN", "US", "IS", "UI", "PN", "OB"]),
        st.binary(max_size=24)
        | st.sampled_from([b"PA\\LL", b"DX\\CR", b"000Y", b"\xfe\xff\x00\xe0\xff\xff\xff\xff"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=400)
@given(JUNK)
def test_junk_in_the_header_gets_a_verdict(junk: list[tuple[str, str | None, bytes]]) -> None:
    ds = image()
    for keyword, vr, value in junk:
        raw(ds, keyword, vr, value)
    assert isinstance(select(ds, RULES), Eligible | Ineligible)

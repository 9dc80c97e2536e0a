"""The rules for a frontal chest radiograph: one row for each attribute that can decide."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.records import Eligible, Ineligible, Reason
from tests.unit.imaging.tiny_image import chest, code, raw, reread

RULES = EligibilityRules()
CR = "1.2.840.10008.5.1.4.1.1.1"
DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
URN = "http://snomed.info/sct/900000000000207008/id/"
OID = "urn:oid:2.16.840.1.113883.6.96."
MAMMOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.2"


def other_code(keyword: str, value: str, scheme: str | None = "SCT") -> list[Dataset]:
    """Return a code whose value is not in Code Value (PS3.3 8.8)."""
    item = Dataset()
    setattr(item, keyword, value)
    item.CodeMeaning = "in words"
    if scheme:
        item.CodingSchemeDesignator = scheme
    return [item]


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
    "Patient Orientation agrees": ({"ViewPosition": "PA", "PatientOrientation": ["L", "F"]}, "PA"),
    "a description": ({"SeriesDescription": "Thorax p.a. stehend"}, "PA"),
    "View Position with another word": ({"ViewPosition": "PA CHEST"}, "PA"),
    "Patient Orientation without rows": ({"PatientOrientation": ["", "A"]}, "unknown"),
    "a description of both views, and the view": (
        {"ViewPosition": "PA", "SeriesDescription": "Chest PA and lateral"},
        "PA",
    ),
    "both views of the study": ({"ViewPosition": "AP", "StudyDescription": "Chest PA/LAT"}, "AP"),
    "a lateral study, and the view": ({"ViewPosition": "AP", "StudyDescription": "Chest lateral"}, "AP"),
    "View Code as URN": ({"ViewCodeSequence": other_code("URNCodeValue", URN + "272479007")}, "PA"),
    "View Code as Long Code Value": ({"ViewCodeSequence": other_code("LongCodeValue", "399348003")}, "AP"),
    "View Code of a site": ({"ViewCodeSequence": code("V1", "99X", "Thorax d.v.")}, "PA"),
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
    "an adult by age, born yesterday": (
        {"PatientAge": "045Y", "PatientBirthDate": "20241130", "StudyDate": "20241201"},
        Reason.AGE_OUT_OF_RANGE,
    ),
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
    "View Code lateral as URN": (
        {"ViewCodeSequence": other_code("URNCodeValue", URN + "399067008", scheme=None)},
        Reason.LATERAL,
    ),
    "View Code lateral as OID": (
        {"ViewCodeSequence": other_code("URNCodeValue", OID + "399173006", scheme=None)},
        Reason.LATERAL,
    ),
    "View Code lateral as Long Code Value": (
        {"ViewCodeSequence": other_code("LongCodeValue", "399067008")},
        Reason.LATERAL,
    ),
    "View Code lateral of a site": ({"ViewCodeSequence": code("V2", "99X", "Seitlich")}, Reason.LATERAL),
    "View Code oblique of SRT": (
        {"ViewCodeSequence": code("R-1024X", "SRT", "left anterior oblique")},
        Reason.OBLIQUE,
    ),
    "a lateral study": ({"StudyDescription": "Thorax seitlich"}, Reason.LATERAL),
    "both views of the study": ({"StudyDescription": "CHEST PA AND LATERAL"}, Reason.VIEW_CONFLICT),
    "a lateral procedure step": (
        {"PerformedProcedureStepDescription": "Chest lateral"},
        Reason.LATERAL,
    ),
    "body part names a lateral, View Position PA": (
        {"BodyPartExamined": "CHEST LAT", "ViewPosition": "PA"},
        Reason.VIEW_CONFLICT,
    ),
    "region of a site": ({"AnatomicRegionSequence": code("R7", "99X", "Knie links")}, Reason.NOT_CHEST),
    "body part unheard of, study of the chest": (
        {"BodyPartExamined": "OBSCURE", "StudyDescription": "Chest"},
        Reason.NOT_CHEST,
    ),
    "animal in words": ({"StudyDescription": "Thorax, feline"}, Reason.VETERINARY),
    "bones suppressed": (
        {"ImageType": ["DERIVED", "PRIMARY", "", "BONE_SUPPRESSED"]},
        Reason.DERIVED,
    ),
    "dual energy, bones": ({"ImageType": ["DERIVED", "PRIMARY", "", "BONE"]}, Reason.DERIVED),
    "dual energy in words": ({"DerivationDescription": "Dual energy subtraction"}, Reason.DERIVED),
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
    "region of a site in words": {
        "BodyPartExamined": None,
        "AnatomicRegionSequence": code("R1", "99X", "Thorax"),
    },
    "entire thorax": {
        "BodyPartExamined": None,
        "AnatomicRegionSequence": code("302551006", "SCT", "Entire thorax"),
    },
    "region chest, body part unheard of": {
        "AnatomicRegionSequence": code("816094009"),
        "BodyPartExamined": "OBSCURE",
    },
    "body part unheard of, described as chest": {
        "BodyPartExamined": "OBSCURE",
        "SeriesDescription": "Chest",
    },
    "described as chest": {"BodyPartExamined": None, "StudyDescription": "XR CHEST 2 VIEWS"},
    "a year old": {"PatientAge": "012M"},
    "human": {"PatientSpeciesDescription": "Homo sapiens"},
    "human by code": {"PatientSpeciesCodeSequence": code("337915000")},
    "one frame": {"NumberOfFrames": 1},
}


@pytest.mark.parametrize("name", VIEWS)
def test_view_of_an_eligible_chest(name: str) -> None:
    attributes, view = VIEWS[name]
    assert eligibility(reread(chest(**attributes)), RULES) == Eligible(view)


@pytest.mark.parametrize("name", ADMITTED)
def test_admitted(name: str) -> None:
    assert eligibility(chest(**ADMITTED[name]), RULES) == Eligible("unknown")


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name: str) -> None:
    attributes, reason = REFUSALS[name]
    for ds in (chest(**attributes), reread(chest(**attributes))):
        verdict = eligibility(ds, RULES)
        assert isinstance(verdict, Ineligible)
        assert verdict.reason is reason
        assert verdict.detail.endswith(".")


def test_the_sentence_names_what_contradicts() -> None:
    verdict = eligibility(chest(ViewPosition="PA", PatientOrientation=["A", "F"]), RULES)
    assert verdict == Ineligible(
        Reason.VIEW_CONFLICT, "View Position PA says frontal, but Patient Orientation A\\F says lateral."
    )


@pytest.mark.parametrize("age", [b"3D", b"6W", b"8M", b"08m ", b"8 MTH", b"000Y"])
def test_an_age_counts_however_many_digits_it_has(age: bytes) -> None:
    verdict = eligibility(raw(chest(), "PatientAge", "AS", age), RULES)
    assert isinstance(verdict, Ineligible)
    assert verdict.reason is Reason.AGE_OUT_OF_RANGE


@pytest.mark.parametrize(
    ("orientation", "told"),
    [
        (["L", "F"], None),
        (["R", "F"], "mirrored"),
        (["R", "H"], "turned clockwise by 180 degrees"),
        (["L", "H"], "mirrored, then turned clockwise by 180 degrees"),
        (["H", "L"], "turned clockwise by 90 degrees"),
        (["F", "R"], "turned clockwise by 270 degrees"),
        (["H", "R"], "mirrored, then turned clockwise by 90 degrees"),
        (["F", "L"], "mirrored, then turned clockwise by 270 degrees"),
    ],
)
def test_a_picture_that_is_mirrored_or_turned_is_answered_and_told(
    orientation: list[str], told: str | None
) -> None:
    verdict = eligibility(chest(PatientOrientation=orientation), RULES)
    stated = "\\".join(orientation)
    notes = (f"Patient Orientation {stated}: the image is {told}, and is shown so",) if told else ()
    assert verdict == Eligible("frontal", notes)


@pytest.mark.parametrize(
    ("age", "born", "differ"),
    [
        ("045Y", "19800101", False),
        ("044Y", "19800101", False),
        ("045Y", "19500101", True),
        ("045Y", "1950.01.01", True),
        ("045Y", "unknown", False),
        (None, "19500101", False),
    ],
)
def test_an_age_that_the_birth_date_contradicts_is_told(age: str | None, born: str, differ: bool) -> None:
    ds = chest(PatientAge=age, StudyDate="20250401") if age else chest(StudyDate="20250401")
    verdict = eligibility(raw(ds, "PatientBirthDate", "DA", born.encode()), RULES)
    notes = ("Patient's Age and Patient's Birth Date differ by more than two years",)
    assert verdict == Eligible("unknown", notes if differ else ())


@pytest.mark.parametrize(("age", "born"), [("000Y", "19800101"), ("045Y", "20250331")])
def test_a_refusal_by_one_of_two_ages_tells_of_the_other(age: str, born: str) -> None:
    verdict = eligibility(chest(PatientAge=age, PatientBirthDate=born, StudyDate="20250401"), RULES)
    assert verdict == Ineligible(
        Reason.AGE_OUT_OF_RANGE,
        "The patient is younger than select.min_age_years (1); Patient's Age and Patient's Birth Date differ "
        "by more than two years.",
    )


def test_the_configuration_admits_secondary_captures_and_ages() -> None:
    capture = chest(SOPClassUID=SECONDARY_CAPTURE, PatientAge="006M")
    assert isinstance(eligibility(capture, RULES), Ineligible)
    assert eligibility(capture, EligibilityRules(secondary_capture=True, min_age_years=None)) == Eligible(
        "unknown"
    )
    verdict = eligibility(chest(PatientAge="090Y"), EligibilityRules(max_age_years=89))
    assert isinstance(verdict, Ineligible)
    assert verdict.reason is Reason.AGE_OUT_OF_RANGE

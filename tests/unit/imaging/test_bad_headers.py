"""Malformed headers: each value counts by its readable part, any header gets a verdict."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.records import Eligible, Ineligible
from tests.unit.imaging.tiny_image import chest, raw

RULES = EligibilityRules()


@pytest.mark.parametrize(
    ("keyword", "value", "view"),
    [
        ("ViewPosition", b"pa ", "PA"),
        ("ViewPosition", b"\0\0", "unknown"),
        ("BodyPartExamined", b" lung \0", "unknown"),
        ("PatientAge", b"12", "unknown"),
        ("PatientAge", b"30Y", "unknown"),
        ("PatientBirthDate", b"20XX0101", "unknown"),
        ("NumberOfFrames", b"many", "unknown"),
    ],
)
def test_malformed_values_count_by_what_they_still_say(keyword: str, value: bytes, view: str) -> None:
    assert eligibility(raw(chest(), keyword, None, value), RULES) == Eligible(view)


def test_an_empty_value_of_an_unheard_of_vr_is_no_value() -> None:
    assert eligibility(raw(chest(), "Manufacturer", "L\x01", None), RULES) == Eligible("unknown")


def test_patient_data_in_the_wrong_element_is_not_quoted() -> None:
    verdict = eligibility(raw(chest(), "BodyPartExamined", "CS", "Müller^Erika".encode()), RULES)
    assert isinstance(verdict, Ineligible)
    assert "ller" not in verdict.detail


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


@settings(max_examples=400)
@given(JUNK)
def test_junk_in_the_header_gets_a_verdict(junk: list[tuple[str, str | None, bytes]]) -> None:
    ds = chest()
    for keyword, vr, value in junk:
        raw(ds, keyword, vr, value)
    assert isinstance(eligibility(ds, RULES), Eligible | Ineligible)

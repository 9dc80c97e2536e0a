"""Pseudonyms: one for each Patient ID and issuer, whatever the name; nothing in them names anybody."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records import Pseudonym
from gateway.worker.pseudonym import pseudonym_of
from tests.support.sources import dx, item
from tests.unit.imaging.tiny_image import raw

KEY = b"k" * 32
HASH = re.compile("[0-9a-f]{40}")


def pseudonym(key: bytes = KEY, **header: Any) -> Pseudonym:
    found = pseudonym_of(dx(**{"PatientID": "P-1", "PatientBirthDate": "19700101"} | header), key)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "P-2"},
        {"PatientID": "P-1 A"},
        {"PatientID": "p-1"},
        {"IssuerOfPatientID": "ELSEWHERE"},
        {"IssuerOfPatientIDQualifiersSequence": [item(UniversalEntityID="1.2.3")]},
        {"key": b"another key"},
    ],
)
def test_another_id_issuer_or_key_is_another_patient(other: dict[str, Any]) -> None:
    assert pseudonym(**other).patient != pseudonym().patient


@pytest.mark.parametrize(
    "same", [{"PatientName": "Other^Name"}, {"PatientBirthDate": "19800101"}, {"PatientID": " P-1 "}]
)
def test_name_and_date_of_birth_decide_nothing(same: dict[str, Any]) -> None:
    assert pseudonym(**same).patient == pseudonym().patient


def test_the_date_of_birth_is_kept_for_doubts_alone() -> None:
    assert pseudonym(PatientBirthDate="19800101").birth != pseudonym().birth
    assert pseudonym(PatientBirthDate=None).birth == ""


@pytest.mark.parametrize(
    ("date", "time", "studied"),
    [
        ("20260517", "093015.25", "20260517093015"),
        ("20260517", "0930", "20260517093000"),
        ("20260517", "", "20260517"),
        ("", "0930", ""),
    ],
)
def test_studies_are_ordered_by_date_and_time(date: str, time: str, studied: str) -> None:
    assert pseudonym(StudyDate=date, StudyTime=time).studied == studied


def test_without_an_id_there_is_no_pseudonym() -> None:
    assert pseudonym_of(dx(PatientID=""), KEY) is None
    assert pseudonym_of(dx(PatientID=None), KEY) is None


@given(st.binary(max_size=64))
def test_whatever_the_id_holds_the_pseudonym_is_a_hash(value: bytes) -> None:
    found = pseudonym_of(raw(dx(), "PatientID", "LO", value), KEY)
    assert found is None or HASH.fullmatch(found.patient)

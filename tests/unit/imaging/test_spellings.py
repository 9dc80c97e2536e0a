"""Every spelling of the table gets its verdict, in any character set, declared or not."""

from __future__ import annotations

import pytest

from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.records import Eligible
from tests.unit.imaging.spellings import BODY_PARTS, ORIENTATIONS, SERIES_DESCRIPTIONS, VIEW_POSITIONS
from tests.unit.imaging.tiny_image import raw, reread, tiny_image

SPELLINGS = {
    "BodyPartExamined": BODY_PARTS,
    "ViewPosition": VIEW_POSITIONS,
    "PatientOrientation": ORIENTATIONS,
    "SeriesDescription": SERIES_DESCRIPTIONS,
}
ROWS = [(keyword, text, verdict) for keyword, rows in SPELLINGS.items() for text, verdict in rows.items()]
UNCHANGED = "as it is written"


def verdict_on(keyword: str, value: bytes, character_set: str | None = None) -> str:
    part = None if keyword in ("BodyPartExamined", "SeriesDescription") else "CHEST"
    ds = tiny_image([[0, 255]], ViewPosition=None, BodyPartExamined=part)
    if character_set is not None:
        raw(ds, "SpecificCharacterSet", "CS", character_set.encode())
    verdict = eligibility(raw(ds, keyword, None, value), EligibilityRules())
    return verdict.view if isinstance(verdict, Eligible) else verdict.reason.value


@pytest.mark.parametrize(("keyword", "text", "verdict"), ROWS, ids=[f"{k} {t}" for k, t, _ in ROWS])
def test_verdict(keyword: str, text: str, verdict: str) -> None:
    assert verdict_on(keyword, text.encode(), "ISO_IR 192") == verdict


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 150


@pytest.mark.parametrize(
    ("character_set", "encoding"),
    [
        ("ISO_IR 100", "latin-1"),
        ("ISO_IR 192", "utf-8"),
        (None, "latin-1"),
        ("", "utf-8"),
        ("ISO_IR 100", "utf-8"),  # declared wrongly
        ("ISO_IR 192", "latin-1"),
        ("Not Supplied", "cp1252"),
        ("\\ISO 2022 IR 149", "latin-1"),
        ("GB18030", "gb18030"),
    ],
)
@pytest.mark.parametrize(("text", "verdict"), [("Tórax", "unknown"), ("Thorax schräg", "oblique")])
def test_accents_in_any_character_set(
    character_set: str | None, encoding: str, text: str, verdict: str
) -> None:
    assert verdict_on("BodyPartExamined", text.encode(encoding), character_set) == verdict


def test_letters_that_are_composed_of_two_characters_are_the_same_letters() -> None:
    assert verdict_on("BodyPartExamined", "To\u0301rax".encode(), "ISO_IR 192") == "unknown"


@pytest.mark.parametrize("character_set", ["ISO_IR 192", "\\ISO 2022 IR 87", "GB18030", "ISO_IR 999", "\x1b"])
def test_bytes_that_no_character_set_explains_end_nothing(character_set: str) -> None:
    broken = b"CHEST \x81\x8d\x1b$B\xff\x00\x07"
    assert verdict_on("SeriesDescription", broken, character_set) == "unknown"


def test_a_file_reads_as_its_elements_do() -> None:
    ds = tiny_image([[0, 255]], ViewPosition=None, BodyPartExamined=None, SeriesDescription="Thorax latéral")
    ds.SpecificCharacterSet = "ISO_IR 100"
    verdict = eligibility(reread(ds), EligibilityRules())
    assert not isinstance(verdict, Eligible)
    assert verdict.reason == "lateral"

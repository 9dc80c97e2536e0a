"""Conditions on header attributes: what holds, what cannot be parsed, and what can never run."""

from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.rules.attributes import LONGEST_VALUE, MOST_VALUES, NoHeader, attributes_of, header_of
from gateway.rules.condition import LONGEST, ConditionError, parse
from gateway.rules.operand import Unclear
from tests.support.sources import dx, encoded, item, with_raw

CODES = [item(CodeValue="X1"), item(CodeValue="XR-CHEST-2")]


def holds(text: str, ds: Dataset | None = None, **overrides: Any) -> bool:
    condition = parse(text)
    return condition.holds(attributes_of(ds or dx(**overrides), condition.names))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Modality == 'DX'", True),
        ("Modality == 'dx'", True),
        ("Modality != 'DX'", False),
        ("'DX' == Modality", True),
        ("Modality in ['CR', 'DX']", True),
        ("Modality not in ('CR', 'MG')", True),
        ("Modality == 'CR' or Rows > 10", True),
        ("Modality == 'DX' and not Rows > 100000", True),
        ("not (Modality == 'DX' and Rows > 10)", False),
        ("10 < Rows <= 100000", True),
        ("-1 < RescaleIntercept < 1", True),
        ("WindowWidth >= 4096.0", True),
        ("StudyDate >= '20250101'", True),
        ("StudyDate < '20250101'", False),
        ("StudyTime < '12'", True),
        ("any(ImageType) == 'PRIMARY'", True),
        ("ImageType == 'PRIMARY'", False),
        ("not any(ImageType) == 'DERIVED'", True),
        ("startswith(Manufacturer, 'Example')", True),
        ("contains(any(ImageType), 'prim')", True),
        ("matches(Manufacturer, r'^Ex\\w+ I')", True),
        ("matches(Manufacturer, '(?i)IMAGING$')", True),
        ("matches(Manufacturer, '^Imaging')", False),
        ("present(StationName)", False),
        ("absent(StationName)", True),
        ("StationName == 'A'", False),
        ("StationName != 'A'", True),
        ("StationName in ['A']", False),
        ("matches(StationName, '.*')", False),
        ("ViewCodeSequence.CodeValue == '272479007'", True),
        ("any(ProcedureCodeSequence.CodeValue) == 'XR-CHEST-2'", True),
        ("ProcedureCodeSequence.CodeValue == 'XR-CHEST-2'", False),
        ("startswith(ProcedureCodeSequence.CodeValue, 'X')", True),
        ("PatientName == 'Example^Edith'", True),
        ("SeriesNumber == 1", True),
        ("Modality == 'DX'\n  and Rows > 10\n", True),
    ],
)
def test_a_condition_is_judged_by_the_header(text: str, expected: bool) -> None:
    assert holds(text, ProcedureCodeSequence=CODES) is expected


@pytest.mark.parametrize(
    ("age", "expected"), [("017Y", False), ("018Y", True), ("230M", True), ("006W", False), ("", False)]
)
def test_ages_are_compared_in_years(age: str, expected: bool) -> None:
    assert holds("PatientAge >= 18", PatientAge=age or None) is expected


@pytest.mark.parametrize(
    ("tag", "vr", "value", "text"),
    [
        (0x00200011, "IS", b"one ", "SeriesNumber == 1"),
        (0x00101010, "AS", b"old ", "PatientAge > 18"),
        (0x00281051, "DS", b"4096\\wide ", "any(WindowWidth) > 5000"),
    ],
)
def test_a_value_that_is_no_number_is_unclear(tag: int, vr: str, value: bytes, text: str) -> None:
    with pytest.raises(Unclear) as problem:
        holds(text, with_raw({tag: (vr, value)}))
    assert "one" not in str(problem.value)
    assert "old" not in str(problem.value)
    assert holds(f"Modality == 'DX' or {text}", with_raw({tag: (vr, value)}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Modality == 'CR'", "Modality == 'CR' does not hold: Modality is 'DX'"),
        ("Modality == 'DX' and Rows > 100000", "Rows > 100000 does not hold: Rows is '"),
        (
            "Modality == 'CR' or present(StationName)",
            "; present(StationName) does not hold: StationName is absent",
        ),
        ("not present(Modality)", "not present(Modality) does not hold: Modality is 'DX'"),
        ("PatientID == 'P-1'", "PatientID == 'P-1' does not hold: PatientID has another value"),
        ("PatientSex == 'M'", "PatientSex has another value"),
        ("AccessionNumber == 'A'", "AccessionNumber has another value"),
        ("StudyDate == '20260101'", "StudyDate has another value"),
    ],
)
def test_why_a_condition_does_not_hold_is_told_without_the_patient(text: str, why: str) -> None:
    condition = parse(text)
    told = condition.why_not(attributes_of(dx(), condition.names))
    assert why in told
    assert not any(secret in told for secret in ("P-0042", "Edith", "A-1001", "20250401", "19570312"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "column 1: is empty"),
        ("Modality = 'DX'", "column"),
        ("Modalty == 'DX'", "column 1: there is no attribute 'Modalty'; did you mean 'Modality'?"),
        ("Modality == 'DX' and bodypartexamined == 'CHEST'", "column 22: there is no attribute"),
        ("bodypartexamined == 'CHEST'", "did you mean 'BodyPartExamined'?"),
        ("Modality", "column 1: Modality alone is no condition"),
        ("Rows > '100'", "column 8: Rows is a number: write it without quotes"),
        ("PatientAge < '18'", "PatientAge is a number of years"),
        ("AccessionNumber == 17", "AccessionNumber is text: write '17' in quotes"),
        ("StudyDate > 'yesterday'", "StudyDate is written in digits, as 20261126"),
        ("Modality > 'CR'", "Modality is text, which has no order"),
        ("any(ImageType) != 'DERIVED'", "write not any(ImageType) == …"),
        ("Modality in 'CR'", "write a list after `in`"),
        ("Modality is 'CR'", "write =="),
        ("matches(Manufacturer, '(')", "column 23: no pattern of RE2: "),
        ("matches(Manufacturer, '(a)\\\\1')", "write r before the quote"),
        ("matches(Manufacturer, r'(a)\\1')", "no pattern of RE2: invalid escape sequence"),
        ("matches(Manufacturer, 'a{1000}{1000}')", "no pattern of RE2: "),
        (f"matches(Manufacturer, '{'a' * 201}')", "a pattern may have 200 characters"),
        ("matches(Rows, '1')", "Rows is a number: compare it"),
        ("PixelData == 'a'", "PixelData holds neither text nor numbers"),
        ("ViewCodeSequence == 'PA'", "name an attribute in it, as ViewCodeSequence.CodeValue"),
        ("Modality.CodeValue == 'PA'", "Modality is no sequence"),
        ("TransferSyntaxUID == '1.2'", "TransferSyntaxUID is no attribute of the image's data set"),
        ("(0x0009, 0x1001) == 'private'", "private ones have none"),
        ("x00091001 == 'private'", "there is no attribute 'x00091001'"),
        ("open('/etc/passwd') == ''", "column 1: write an attribute by its keyword"),
        ("open('/etc/passwd')", "no such function; there are present, absent, any, "),
        ("__import__('os').system('true')", "no such function"),
        ("Modality.__class__ == ''", "Modality is no sequence"),
        ("[x for x in Modality]", "neither a comparison nor a function"),
        ("(lambda: 1)()", "no such function"),
        ("Modality == f'{Rows}'", "compare Modality with a text in quotes or a number"),
        ("Modality == Rows", "compare Modality with a text in quotes or a number"),
        ("Rows == 9 ** 9 ** 9", "compare Rows with a text in quotes or a number"),
        ("Rows == True", "compare Rows with a text in quotes or a number"),
        ("Modality == b'DX'", "compare Modality with a text in quotes or a number"),
        ("True", "neither a comparison nor a function"),
        ("present(Modality, Rows)", "present() takes one attribute"),
        (
            "Modality == 'DX' and\n(Modalty == 'DX'\n or Row > 1)",
            "line 2, column 2: there is no attribute 'Modalty'",
        ),
        (
            "Modality == 'DX' and\n(Modalty == 'DX'\n or Row > 1)",
            "line 3, column 5: there is no attribute 'Row'",
        ),
        ("Modality == 'Ä' and Modalty == 'X'", "column 21: there is no attribute 'Modalty'"),
        ("Rows == 1" + " " * LONGEST, f"and may have {LONGEST}"),
        ("(" * 400 + "Rows == 1" + ")" * 400, "too many nested parentheses"),
        ("Modality == '\0'", "column"),
    ],
)
def test_what_cannot_be_parsed_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConditionError) as raised:
        parse(text)
    assert problem in str(raised.value)


@given(st.text(max_size=LONGEST + 10) | st.text("()[]'\" ,.notandrmaches=<>Modality0x\\\n", max_size=300))
@settings(max_examples=300)
def test_no_text_ends_the_parser_otherwise(text: str) -> None:
    try:
        told = str(parse(text).names)
    except ConditionError as problem:
        told = str(problem)
    assert told


@pytest.mark.parametrize("depth", [100, 240])
def test_nesting_as_deep_as_the_length_allows_is_judged(depth: int) -> None:
    assert holds("not " * depth + "Rows == 1") is (depth % 2 == 1)


def test_no_pattern_takes_long() -> None:
    """The pattern is exponential for engines that backtrack."""
    begun = process_time()
    assert not holds("matches(StudyDescription, '^(a+)+$')", StudyDescription="a" * 60 + "b")
    assert process_time() - begun < 5


def test_values_are_bounded_in_number_and_length() -> None:
    ds = dx(ImageType=["X"] * (MOST_VALUES + 1), ImageComments="y" * 5000)
    read = attributes_of(ds, {"ImageType", "ImageComments"})
    assert len(read["ImageType"]) == MOST_VALUES
    assert len(read["ImageComments"][0]) == LONGEST_VALUE


def test_the_header_of_a_file_is_read_without_its_pixels(tmp_path: Path) -> None:
    file = tmp_path / "image.dcm"
    file.write_bytes(encoded(dx(ProcedureCodeSequence=CODES)))
    read = header_of(file)(["Modality", "ProcedureCodeSequence.CodeValue", "StationName"])
    assert read == {
        "Modality": ("DX",),
        "ProcedureCodeSequence.CodeValue": ("X1", "XR-CHEST-2"),
        "StationName": (),
    }


@pytest.mark.parametrize("content", [None, b"", b"\0" * 128 + b"DICM" + b"\xff" * 64])
def test_a_header_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "image.dcm"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NoHeader):
        header_of(file)(["Modality"])

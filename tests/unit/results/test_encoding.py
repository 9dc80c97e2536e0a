"""A result's bytes: those that pydicom writes of the tree that highdicom builds."""

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.errors import Reject
from gateway.results.answer import Answer
from gateway.results.encoding import encode
from gateway.results.secondary_capture import secondary_capture
from gateway.results.source_header import SourceHeader, source_header
from gateway.results.structured_report import structured_report
from tests.conformance.objects import ANSWERS, GREY, SOURCES
from tests.support.answers import answer
from tests.support.sources import encoded, with_raw
from tests.unit.results.highdicom_tree import content_tree

SAMPLES = sorted((Path(__file__).parents[3] / "sample_dicoms").rglob("*.dcm"))
TEXT = {0x00080050: "SH", 0x00081030: "LO", 0x00100010: "PN", 0x00100020: "LO", 0x00101030: "DS"}
_CONTENT_SEQUENCE = Tag(0x0040A730)


def by_pydicom(result: Dataset) -> bytes:
    with BytesIO() as file:
        dcmwrite(file, result, enforce_file_format=True)
        return file.getvalue()


def by_highdicom(header: SourceHeader, given: Answer) -> bytes:
    report = structured_report(header, given)
    del report[_CONTENT_SEQUENCE]
    report.update(content_tree(header.dataset, given))
    return by_pydicom(report)


def headers() -> list[SourceHeader]:
    found = [source_header(dcmread(BytesIO(encoded(source)))) for source in SOURCES]
    for path in SAMPLES:
        try:
            found.append(source_header(dcmread(path)))
        except Reject:  # no result can refer to it
            continue
    return found


@pytest.mark.parametrize("given", ANSWERS, ids=["present", "absent", "undetermined", "cropped"])
def test_a_report_has_the_bytes_of_highdicoms_tree_for_every_sample(given: Answer) -> None:
    for header in headers():
        assert encode(structured_report(header, given)) == by_highdicom(header, given)


def test_a_capture_has_the_bytes_of_pydicoms_writer_for_every_sample() -> None:
    for header in headers():
        capture = secondary_capture(header, GREY, ANSWERS[0])
        assert encode(capture) == by_pydicom(capture)


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(sorted(TEXT)), st.text(max_size=40), min_size=1),
    st.lists(st.text(min_size=1, max_size=40), max_size=3),
)
def test_any_text_is_encoded_as_pydicom_encodes_it(values: dict[int, str], steps: list[str]) -> None:
    raw = {tag: (TEXT[tag], value.encode()) for tag, value in values.items()}
    header = source_header(with_raw({0x00080005: ("CS", b"ISO_IR 192")} | raw))
    said = answer(steps=tuple(steps))
    assert encode(structured_report(header, said)) == by_highdicom(header, said)

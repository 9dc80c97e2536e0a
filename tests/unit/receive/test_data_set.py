"""What the receiver reads of an encoded data set."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from gateway.dicom.statuses import Refuse, Status
from gateway.receive.data_set import read_header
from tests.support.receiving import data_set_of
from tests.support.sources import cr, dx, encoded, item

FIXED = {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.5"}
SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
]


def source(**overrides: Any) -> Dataset:
    return dx(**(FIXED | overrides))


def refusal(data: bytes, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> Status | None:
    try:
        read_header(memoryview(data), transfer_syntax_uid)
    except Refuse as refused:
        return refused.status
    return None


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_uids_are_read_in_every_encoding(syntax: str) -> None:
    header = read_header(memoryview(data_set_of(encoded(source(), syntax))), syntax)
    assert header.sop_class_uid == source().SOPClassUID
    assert (header.sop_instance_uid, header.study_instance_uid) == ("1.2.3", "1.2.4")
    assert header.series_instance_uid == "1.2.5"


def test_uids_are_read_in_big_endian() -> None:
    ds = source()
    ds["PixelData"].VR = "OW"
    data = data_set_of(encoded(ds, ExplicitVRBigEndian))
    assert read_header(memoryview(data), ExplicitVRBigEndian).study_instance_uid == "1.2.4"
    assert refusal(data[:-2], ExplicitVRBigEndian) is Status.PIXELS_TRUNCATED


def private_sequence() -> Dataset:
    """Return a radiograph with nested private sequences of undefined length."""
    ds, inner = source(), item(PatientID="x")
    for level in range(20):
        outer = Dataset()
        block = outer.private_block(0x0009, "EXAMPLE", create=True)
        block.add_new(level, "SQ", [inner])
        inner = outer
    ds.update(inner)
    for element in ds.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for each in element.value:
                each.is_undefined_length_sequence_item = True
    return ds


def many_fragments(offset_table: bytes = b"") -> Dataset:
    """Return a radiograph in sixty fragments, the last of which is empty."""
    ds = source()
    fragments = [offset_table, *(bytes([number]) * 100 for number in range(1, 60)), b""]
    ds.PixelData = b"".join(b"\xfe\xff\0\xe0" + len(each).to_bytes(4, "little") + each for each in fragments)
    ds["PixelData"].is_undefined_length = True
    return ds


UNUSUAL: dict[str, tuple[Callable[[], Dataset], str]] = {
    "private sequences of undefined length": (private_sequence, ExplicitVRLittleEndian),
    "the same, implicit": (private_sequence, ImplicitVRLittleEndian),
    "no series": (lambda: source(SeriesInstanceUID=None), ExplicitVRLittleEndian),
    "no pixels": (lambda: source(PixelData=None), ExplicitVRLittleEndian),
    "no rows": (lambda: source(Rows=None), ExplicitVRLittleEndian),
    "trailing pixel bytes": (
        lambda: source(PixelData=source().PixelData + b"\0" * 6),
        ExplicitVRLittleEndian,
    ),
    "padding after the pixels": (
        lambda: source(DataSetTrailingPadding=b"\0" * 64),
        ExplicitVRLittleEndian,
    ),
    "422": (
        lambda: source(
            pixels=np.zeros((8, 16), np.uint8),
            BitsAllocated=8,
            SamplesPerPixel=3,
            PhotometricInterpretation="YBR_FULL_422",
            Rows=8,
            Columns=8,
        ),
        ExplicitVRLittleEndian,
    ),
    "empty offset table, zero-byte last fragment": (many_fragments, JPEG2000Lossless),
    "an offset table": (lambda: many_fragments(bytes(4)), JPEG2000Lossless),
    "a multi-byte name": (lambda: source(PatientName="山田^太郎"), ExplicitVRLittleEndian),
}


@pytest.mark.parametrize(("make", "syntax"), UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_is_read(make: Callable[[], Dataset], syntax: str) -> None:
    ds = make()
    ds.file_meta.TransferSyntaxUID = syntax
    data = data_set_of(encoded_as_it_is(ds))
    assert read_header(memoryview(data), syntax).sop_instance_uid == "1.2.3"


def encoded_as_it_is(ds: Dataset) -> bytes:
    """Encode without compressing what is already encapsulated."""
    with BytesIO() as file:
        ds.save_as(file, enforce_file_format=True)
        return file.getvalue()


def test_content_of_unknown_vr_and_undefined_length_is_implicit() -> None:
    inner = b"\x08\0\x18\0" + (4).to_bytes(4, "little") + b"9.9\0"
    unknown = (
        b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff"
        + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
        + inner
        + b"\xfe\xff\x0d\xe0\0\0\0\0"
        + b"\xfe\xff\xdd\xe0\0\0\0\0"
    )
    data = unknown + data_set_of(encoded(source()))
    assert read_header(memoryview(data), ExplicitVRLittleEndian).sop_instance_uid == "1.2.3"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless])
def test_a_cut_anywhere_but_between_elements_is_noticed(syntax: str) -> None:
    data = data_set_of(encoded(source(PatientComments="x" * 40), syntax))
    whole = len(data)
    statuses = [refusal(data[:length], syntax) for length in range(1, whole, 7)]
    unnoticed = [status for status in statuses if status is None]
    assert statuses[-1] is Status.PIXELS_TRUNCATED
    assert len(unnoticed) < 10
    assert set(statuses) <= {Status.TRUNCATED, Status.PIXELS_TRUNCATED, Status.UID_MISSING, None}


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("SOPClassUID", b"", Status.UID_MISSING),
        ("SOPInstanceUID", b"", Status.UID_MISSING),
        ("StudyInstanceUID", b"", Status.UID_MISSING),
        ("StudyInstanceUID", b"../../x ", Status.UID_INVALID),
        ("SeriesInstanceUID", b"series", Status.UID_INVALID),
    ],
)
def test_uids_must_be_there_and_be_uids(keyword: str, value: bytes, status: Status) -> None:
    ds = cr(**FIXED)
    assert refusal(data_set_of(encoded(ds)).replace(*replacement(ds, keyword, value))) is status


def replacement(ds: Dataset, keyword: str, value: bytes) -> tuple[bytes, bytes]:
    """Return an element's bytes, and the same element with another value."""
    element = ds[keyword]
    head = element.tag.group.to_bytes(2, "little") + element.tag.element.to_bytes(2, "little") + b"UI"
    old = element.value.encode() + b"\0" * (len(element.value) % 2)
    return head + len(old).to_bytes(2, "little") + old, head + len(value).to_bytes(2, "little") + value


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        assert refusal(data, syntax) is not None

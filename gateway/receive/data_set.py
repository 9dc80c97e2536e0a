"""What the receiver reads of a data set: who it is, and whether all of it has come. No pixel is decoded."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from threading import Lock
from typing import Literal

from pydicom.uid import UID

from gateway.receive.elements import PIXEL_DATA, Elements
from gateway.receive.statuses import Refuse, Status

MAX_INFLATED_BYTES = 256 * 1024 * 1024
"""How far a deflated data set may inflate: several times the largest radiograph."""

_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E
_SAMPLES_PER_PIXEL = 0x00280002
_PHOTOMETRIC_INTERPRETATION = 0x00280004
_NUMBER_OF_FRAMES = 0x00280008
_ROWS = 0x00280010
_COLUMNS = 0x00280011
_BITS_ALLOCATED = 0x00280100
_WANTED = frozenset(
    {
        _SOP_CLASS_UID,
        _SOP_INSTANCE_UID,
        _STUDY_INSTANCE_UID,
        _SERIES_INSTANCE_UID,
        _SAMPLES_PER_PIXEL,
        _PHOTOMETRIC_INTERPRETATION,
        _NUMBER_OF_FRAMES,
        _ROWS,
        _COLUMNS,
        _BITS_ALLOCATED,
        PIXEL_DATA,
    }
)
_INFLATING = Lock()  # one at a time: a bomb on every association must not add up
_UID = re.compile(r"[0-9.]{1,64}")
_PART_10_PREFIX = slice(128, 132)  # PS3.10 7.1


@dataclass(frozen=True, slots=True)
class Header:
    """The UIDs of a data set; `series_instance_uid` is empty where it has none."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str


def is_uid(text: str) -> bool:
    """Tell whether `text` has the characters and the length of a UID (PS3.5 9.1)."""
    return _UID.fullmatch(text) is not None


def read_header(data: memoryview, transfer_syntax_uid: str) -> Header:
    """Return the UIDs of an encoded data set after checking that it is whole.

    Parameters
    ----------
    data
        The data set as it came, without preamble and file meta information.
    transfer_syntax_uid
        Of the presentation context.

    Raises
    ------
    Refuse
        With a status of the Cxxx range, when the bytes cannot be understood or end too early.
    """
    syntax = UID(transfer_syntax_uid)
    try:
        if not syntax.is_deflated:
            return _read(data, syntax)
        with _INFLATING:
            return _read(_inflated(data), syntax)
    except Refuse:
        if bytes(data[_PART_10_PREFIX]) == b"DICM":
            raise Refuse(Status.PART_10_FILE, "a whole Part 10 file was sent as data set") from None
        raise


def _read(data: memoryview, syntax: UID) -> Header:
    values = _values(data, syntax)
    if not syntax.is_encapsulated:
        _check_pixel_length(values, "little" if syntax.is_little_endian else "big")
    return _header(values)


def _values(data: memoryview, syntax: UID) -> dict[int, memoryview]:
    if not data:
        raise Refuse(Status.EMPTY, "the data set is empty")
    elements = Elements(data, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return {each.tag: each.value for each in elements if each.value is not None and each.tag in _WANTED}


def _inflated(data: memoryview) -> memoryview:
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)  # PS3.5 A.5: no zlib header
    try:
        inflated = inflater.decompress(data, MAX_INFLATED_BYTES)
    except zlib.error:
        raise Refuse(Status.NOT_PARSABLE, "not a deflated data set") from None
    if len(inflated) >= MAX_INFLATED_BYTES:
        raise Refuse(Status.INFLATES_TOO_FAR, f"inflates beyond {MAX_INFLATED_BYTES >> 20} MiB")
    if not inflater.eof:
        raise Refuse(Status.TRUNCATED, "the deflated data set ends too early")
    return memoryview(inflated)


def _header(values: Mapping[int, memoryview]) -> Header:
    header = Header(
        _text(values, _SOP_CLASS_UID),
        _text(values, _SOP_INSTANCE_UID),
        _text(values, _STUDY_INSTANCE_UID),
        _text(values, _SERIES_INSTANCE_UID),
    )
    if not (header.sop_class_uid and header.sop_instance_uid and header.study_instance_uid):
        raise Refuse(Status.UID_MISSING, "no SOP Class, SOP Instance or Study Instance UID")
    if not all(is_uid(uid or "0") for uid in (header.study_instance_uid, header.series_instance_uid)):
        raise Refuse(Status.UID_INVALID, "the Study or Series Instance UID is no UID")
    return header


def _check_pixel_length(values: Mapping[int, memoryview], order: Literal["little", "big"]) -> None:
    pixels = values.get(PIXEL_DATA)
    expected = _expected_length(values, order)
    if pixels is not None and expected is not None and len(pixels) < expected:
        raise Refuse(Status.PIXELS_TRUNCATED, f"{len(pixels)} bytes of pixels instead of {expected}")


def _expected_length(values: Mapping[int, memoryview], order: Literal["little", "big"]) -> int | None:
    """Return the bytes of native Pixel Data (PS3.5 8.1.1), None where the header does not tell."""
    tags = (_ROWS, _COLUMNS, _SAMPLES_PER_PIXEL, _BITS_ALLOCATED)
    factors = [int.from_bytes(values[tag], order) for tag in tags if tag in values]
    frames = _text(values, _NUMBER_OF_FRAMES) or "1"
    if len(factors) != len(tags) or not frames.isdecimal():
        return None
    bits = prod(factors) * int(frames)
    if _text(values, _PHOTOMETRIC_INTERPRETATION).endswith("422"):
        bits = bits * 2 // 3  # PS3.3 C.7.6.3.1.2: two chrominance samples for every two pixels
    return (bits + 7) // 8


def _text(values: Mapping[int, memoryview], tag: int) -> str:
    return bytes(values.get(tag, b"")).decode("ascii", "replace").strip("\0 ")

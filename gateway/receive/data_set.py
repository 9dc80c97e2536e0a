"""Reads the header of an arriving data set and checks that the data set is whole.

Called by `Intake` for every instance. The walk over the elements is bounded and decodes no pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import BinaryIO, Literal

from pydicom.dataset import Dataset
from pydicom.uid import UID

from gateway.dicom.elements import PIXEL_DATA, Element
from gateway.dicom.octets import Inflating, InMemory, Octets, OnDisk
from gateway.dicom.part_10 import data_set_of, elements_of
from gateway.dicom.statuses import Refuse, Status
from gateway.dicom.uid import is_uid
from gateway.dicom.unreadable import Unreadable

MAX_INFLATED_BESIDE_PIXELS = 16 * 1024 * 1024
"""Bytes to which a deflated data set may inflate beyond the pixels that Rows and Columns announce."""

_LONGEST_VALUE = 64 * 1024  # bytes; no wanted value has a hundredth of it
_CHARACTER_SET = 0x00080005
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_ACCESSION_NUMBER = 0x00080050
_PATIENT_NAME = 0x00100010
_PATIENT_ID = 0x00100020
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E
_SAMPLES_PER_PIXEL = 0x00280002
_PHOTOMETRIC_INTERPRETATION = 0x00280004
_NUMBER_OF_FRAMES = 0x00280008
_ROWS = 0x00280010
_COLUMNS = 0x00280011
_BITS_ALLOCATED = 0x00280100
_UIDS = {_SOP_CLASS_UID, _SOP_INSTANCE_UID, _STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID}
_SIZES = {
    _SAMPLES_PER_PIXEL,
    _PHOTOMETRIC_INTERPRETATION,
    _NUMBER_OF_FRAMES,
    _ROWS,
    _COLUMNS,
    _BITS_ALLOCATED,
}
_PATIENT = {_CHARACTER_SET, _ACCESSION_NUMBER, _PATIENT_NAME, _PATIENT_ID}  # for the audit trail
_WANTED = _UIDS | _SIZES | _PATIENT
_PART_10_PREFIX = slice(128, 132)  # PS3.10 7.1


@dataclass(frozen=True, slots=True)
class Identity:
    """SOP Class UID and SOP Instance UID of an instance."""

    sop_class_uid: str
    sop_instance_uid: str


UNKNOWN = Identity("", "")


@dataclass(frozen=True, slots=True)
class Header:
    """The UIDs of a data set.

    Attributes
    ----------
    series_instance_uid
        Empty where the data set has none.
    dataset
        The elements that were read, as they are encoded.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    dataset: Dataset = field(default_factory=Dataset)

    @property
    def identity(self) -> Identity:
        """The identity that the data set states."""
        return Identity(self.sop_class_uid, self.sop_instance_uid)


def read_header(data: memoryview, transfer_syntax_uid: str) -> Header:
    """Return the header of an encoded data set after checking that the data set is whole.

    Parameters
    ----------
    data
        The data set as it came, without preamble and file meta information.
    transfer_syntax_uid
        One of `TRANSFER_SYNTAXES`.

    Raises
    ------
    Refuse
        If the bytes cannot be understood or end too early, or if a UID is missing or invalid.
    """
    syntax = UID(transfer_syntax_uid)
    octets = Inflating(data) if syntax.is_deflated else InMemory(data)
    return _checked(octets, syntax, bytes(data[: _PART_10_PREFIX.stop]))


def read_header_of(file: BinaryIO, transfer_syntax_uid: str) -> Header:
    """Return the header of a data set that the file holds from its position on, as `read_header`."""
    syntax = UID(transfer_syntax_uid)
    if syntax.is_deflated:
        return read_header(memoryview(file.read()), syntax)
    begin = file.tell()
    first = file.read(_PART_10_PREFIX.stop)
    file.seek(begin)
    return _checked(OnDisk(file), syntax, first)


def _checked(octets: Octets, syntax: UID, first: bytes) -> Header:
    """Read a data set of which `first` are the first bytes."""
    try:
        if not first:
            raise Refuse(Status.EMPTY, "the data set is empty")
        return _read(octets, syntax)
    except (Refuse, Unreadable) as problem:
        if first[_PART_10_PREFIX] == b"DICM":
            raise Refuse(Status.PART_10_FILE, "a whole Part 10 file was sent as data set") from None
        if isinstance(problem, Unreadable):
            raise Refuse(Status[problem.fault.name], problem.reason) from None
        raise


def _read(octets: Octets, syntax: UID) -> Header:
    read: list[tuple[Element, bytes]] = []
    pixel_bytes = None
    for each in elements_of(octets, syntax, _LONGEST_VALUE):
        if each.tag == PIXEL_DATA and not each.undefined_length:
            pixel_bytes = each.end - each.begin
        elif each.tag in _WANTED and each.value is not None:
            read.append((each, bytes(each.value)))
    values = {each.tag: value for each, value in read}
    if pixel_bytes is not None and not syntax.is_encapsulated:
        pixel_bytes = _checked_length(pixel_bytes, values, "little" if syntax.is_little_endian else "big")
    if syntax.is_deflated and octets.position - (pixel_bytes or 0) > MAX_INFLATED_BESIDE_PIXELS:
        limit = MAX_INFLATED_BESIDE_PIXELS >> 20
        raise Refuse(Status.INFLATES_TOO_FAR, f"inflates to more than {limit} MiB beside its pixels")
    return _header(values, data_set_of(read, syntax))


def _header(values: Mapping[int, bytes], dataset: Dataset) -> Header:
    header = Header(
        _text(values, _SOP_CLASS_UID),
        _text(values, _SOP_INSTANCE_UID),
        _text(values, _STUDY_INSTANCE_UID),
        _text(values, _SERIES_INSTANCE_UID),
        dataset,
    )
    if not (header.sop_class_uid and header.sop_instance_uid and header.study_instance_uid):
        raise Refuse(Status.UID_MISSING, "no SOP Class, SOP Instance or Study Instance UID")
    if not is_uid(header.sop_instance_uid):
        raise Refuse(Status.INVALID_SOP_INSTANCE, "the SOP Instance UID is no UID")
    if not all(is_uid(uid or "0") for uid in (header.study_instance_uid, header.series_instance_uid)):
        raise Refuse(Status.UID_INVALID, "the Study or Series Instance UID is no UID")
    return header


def _checked_length(pixel_bytes: int, values: Mapping[int, bytes], order: Literal["little", "big"]) -> int:
    """Return the bytes of Pixel Data that the header announces, 0 where it announces none."""
    expected = _expected_length(values, order)
    if expected is None:
        return 0
    if pixel_bytes < expected:
        raise Refuse(Status.PIXELS_TRUNCATED, f"{pixel_bytes} bytes of pixels instead of {expected}")
    return expected


def _expected_length(values: Mapping[int, bytes], order: Literal["little", "big"]) -> int | None:
    """Return the bytes of native Pixel Data (PS3.5 8.1.1), None where the header does not state them."""
    tags = (_ROWS, _COLUMNS, _SAMPLES_PER_PIXEL, _BITS_ALLOCATED)
    factors = [int.from_bytes(values[tag], order) for tag in tags if tag in values]
    frames = _text(values, _NUMBER_OF_FRAMES) or "1"
    if len(factors) != len(tags) or not frames.isdecimal():
        return None
    bits = prod(factors) * int(frames)
    if _text(values, _PHOTOMETRIC_INTERPRETATION).endswith("422"):
        bits = bits * 2 // 3  # PS3.3 C.7.6.3.1.2: two chrominance samples for every two pixels
    return (bits + 7) // 8


def _text(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("ascii", "replace").strip("\0 ")

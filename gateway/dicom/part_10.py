"""Reads Part 10 files (PS3.10 7.1) into pydicom's data sets; the only reader of files in the gateway.

The worker, the pages, the audit trail and the couriers call `read_file` or `read_values`, conditions call
`read_elements`; the receiver calls `elements_of` and `data_set_of`. Elements are counted, inflating is
bounded, and sequences stay encoded until they are used. pydicom's own reader builds every sequence of
undefined length, inflates without a bound, and takes group 0002 within a data set for file meta information.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import takewhile
from os import SEEK_CUR
from pathlib import Path
from typing import BinaryIO, cast

from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway.dicom.character_sets import encodings_for
from gateway.dicom.elements import LONG_VRS, MAX_OUTERMOST, UNDEFINED_LENGTH, Element, Elements
from gateway.dicom.octets import Inflating, InMemory, Octets, OnDisk
from gateway.dicom.unreadable import Fault, Unreadable

MAX_IN_SEQUENCE = 2_000
"""Elements and items of one sequence; a sequence with more is read as unparsable."""

LAST_TAG = 0xFFFFFFFF
_PREFIX = 128
_CHARACTER_SET = BaseTag(0x00080005)
_TRANSFER_SYNTAX = BaseTag(0x00020010)
_META_GROUP = b"\2\0"
_HEAD = struct.Struct("<HH2sH")
_LONGEST_META_VALUE = 1024 * 1024
_LONGEST_CHARACTER_SET = 256  # bytes


def read_file(path: Path, *, up_to: int = LAST_TAG) -> Dataset:
    """Return the data set of a Part 10 file with its `file_meta`.

    Parameters
    ----------
    up_to
        Last tag to read; elements with higher tags are left out.

    Raises
    ------
    Unreadable
        If the file is not a Part 10 file, or `Elements` refuses the data set.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        file_meta, syntax, octets = _begun(file)
        ds = _read_data_set(octets, syntax, up_to)
    ds.file_meta = FileMetaDataset(Dataset(file_meta))
    return ds


def read_values(path: Path, *, up_to: int) -> dict[int, bytes]:
    """Return the encoded values, by tag, of the file meta information and of the data set up to a tag.

    Raises
    ------
    Unreadable, OSError
        As `read_file`.
    """
    with path.open("rb") as file:
        file_meta, syntax, octets = _begun(file)
        values = {int(tag): bytes(element.value or b"") for tag, element in file_meta.items()}
        return values | {each.tag: _value(each, octets) for each in _beginning(octets, syntax, up_to)}


def read_elements(
    path: Path, tags: Collection[int], longest: int, *, most_in_sequence: int = MAX_IN_SEQUENCE
) -> Dataset:
    """Return a data set of the elements with these tags that have at most `longest` bytes.

    A sequence with more elements and items than `most_in_sequence` is read as empty.

    Raises
    ------
    Unreadable, OSError
        As `read_file`; nothing is read beyond the highest tag.
    """
    with path.open("rb") as file:
        _, syntax, octets = _begun(file)
        elements = takewhile(lambda each: each.tag <= max(tags), elements_of(octets, syntax, longest))
        wanted = (each for each in elements if each.tag in tags and each.end - each.begin <= longest)
        return data_set_of(((each, _value(each, octets)) for each in wanted), syntax, most_in_sequence)


def _begun(file: BinaryIO) -> tuple[dict[BaseTag, DataElement | RawDataElement], UID, InMemory | OnDisk]:
    """Read the file meta information; return it, the transfer syntax, and the data set's bytes."""
    if file.read(_PREFIX + 4)[_PREFIX:] != b"DICM":
        raise Unreadable(Fault.NO_PREAMBLE, "there is no preamble (PS3.10 7.1)")
    file_meta = _read_meta(file)
    syntax = _transfer_syntax(file_meta)
    if syntax.is_deflated:
        return file_meta, syntax, InMemory(memoryview(_inflated(memoryview(file.read()))))
    return file_meta, syntax, OnDisk(file)


def elements_of(octets: Octets, syntax: UID, longest_value: float = math.inf) -> Elements:
    """Return the elements of a data set encoded in the transfer syntax; `octets` yields inflated bytes."""
    return Elements(
        octets,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        longest_value=longest_value,
    )


def data_set_of(
    elements: Iterable[tuple[Element, bytes]], syntax: UID, most_in_sequence: int = MAX_IN_SEQUENCE
) -> Dataset:
    """Return a pydicom data set built from elements and their encoded values."""
    built = {BaseTag(each.tag): _built(each, value, syntax, most_in_sequence) for each, value in elements}
    ds = Dataset(built)
    encodings = _encodings(built.get(_CHARACTER_SET))
    ds.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian, encodings)
    return ds


def _built(each: Element, value: bytes, syntax: UID, most_in_sequence: int) -> RawDataElement | DataElement:
    is_sequence = each.vr == "SQ"
    if is_sequence and each.contained > most_in_sequence:
        return DataElement(each.tag, "OB", None)  # read as a damaged sequence: empty
    return RawDataElement(
        BaseTag(each.tag),
        each.vr or None,
        UNDEFINED_LENGTH if each.undefined_length else len(value),
        value or cast(bytes | None, empty_value_for_VR(each.vr or None, raw=True)),
        each.begin,
        each.implicit_vr if is_sequence else syntax.is_implicit_VR,
        syntax.is_little_endian,
    )


def _encodings(element: RawDataElement | DataElement | None) -> list[str]:
    value = element.value if element else None
    text = value[:_LONGEST_CHARACTER_SET].decode("latin-1").strip(" \0") if isinstance(value, bytes) else ""
    encodings, _ = encodings_for(text.split("\\"))  # pydicom's own would take any codec's name, such as `hex`
    return ["iso8859" if each == "ascii" else each for each in encodings] or ["iso8859"]


def _read_data_set(octets: InMemory | OnDisk, syntax: UID, up_to: int) -> Dataset:
    return data_set_of(((each, _value(each, octets)) for each in _beginning(octets, syntax, up_to)), syntax)


def _beginning(octets: InMemory | OnDisk, syntax: UID, up_to: int) -> Iterator[Element]:
    return takewhile(lambda each: each.tag <= up_to, elements_of(octets, syntax))


def _value(element: Element, octets: InMemory | OnDisk) -> bytes:
    if element.value is None:
        return octets.between(element.begin, element.end)
    return bytes(element.value)


def _inflated(deflated: memoryview) -> bytes:
    """Inflate in one go, after a walk in pieces has shown that the size is within the bound."""
    octets = Inflating(deflated)
    for _ in elements_of(octets, ExplicitVRLittleEndian, longest_value=0):
        pass
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, octets.position)


def _read_meta(file: BinaryIO) -> dict[BaseTag, DataElement | RawDataElement]:
    """Read elements while their group is 0002: the stated group length is often wrong."""
    meta: dict[BaseTag, DataElement | RawDataElement] = {}
    while (head := file.read(_HEAD.size))[:2] == _META_GROUP:
        group, number, vr, length = _HEAD.unpack(head.ljust(_HEAD.size, b"\0"))
        if vr in LONG_VRS:
            length = int.from_bytes(file.read(4), "little")
        value = file.read(min(length, _LONGEST_META_VALUE))
        if len(value) < length or len(meta) == MAX_OUTERMOST:
            raise Unreadable(Fault.NOT_PARSABLE, "the file meta information cannot be read")
        tag = Tag(group, number)
        meta[tag] = RawDataElement(tag, vr.decode("latin-1"), length, value, 0, False, True)
    file.seek(-len(head), SEEK_CUR)
    return meta


def _transfer_syntax(meta: Mapping[BaseTag, DataElement | RawDataElement]) -> UID:
    element = meta.get(_TRANSFER_SYNTAX)
    uid = UID((element.value or b"").decode("ascii", "replace").strip("\0 ") if element else "")
    if not uid:
        return ImplicitVRLittleEndian  # PS3.5 10.1
    return uid if uid in AllTransferSyntaxes else ExplicitVRLittleEndian

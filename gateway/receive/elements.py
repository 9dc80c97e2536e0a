"""The elements of an encoded data set (PS3.5 7.1), walked without building it and without recursion.

Every length is checked against the bytes that are there, so that a data set cut anywhere is noticed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from gateway.receive.statuses import Refuse, Status

PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
MAX_DEPTH = 64
"""Levels of nested items and sequences of undefined length; real objects have fewer than ten."""

_ITEM = 0xFFFEE000
_END_OF_ITEM = 0xFFFEE00D
_END_OF_SEQUENCE = 0xFFFEE0DD
_DELIMITERS = frozenset({_END_OF_ITEM, _END_OF_SEQUENCE})
_SHORT_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_16)
_LONG_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
_UNKNOWN_VR = b"UN"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the outermost level: `value` is its bytes, None where the length is undefined."""

    tag: int
    value: memoryview | None


@dataclass(frozen=True, slots=True)
class _Head:
    tag: int
    vr: bytes
    length: int
    start: int  # of the value


class Elements:
    """The elements of one encoded data set.

    Parameters
    ----------
    data
        The encoded data set, inflated if it was deflated.
    implicit_vr, little_endian
        As the transfer syntax says.
    """

    def __init__(self, data: memoryview, *, implicit_vr: bool, little_endian: bool) -> None:
        self._data = data
        self._outermost = 0
        self._implicit_vr = implicit_vr
        order = "<" if little_endian else ">"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def __iter__(self) -> Iterator[Element]:
        """Yield the outermost elements in order, up to Pixel Data and including it.

        Raises
        ------
        Refuse
            When the bytes are no data set in this encoding, or end too early.
        """
        position = 0
        while position < len(self._data):
            head = self._head(position, implicit_vr=self._implicit_vr)
            self._outermost = head.tag
            position = self._end(head)
            defined = head.length != UNDEFINED_LENGTH
            yield Element(head.tag, self._data[head.start : position] if defined else None)
            if head.tag == PIXEL_DATA:
                return

    def _end(self, head: _Head) -> int:
        if head.length == UNDEFINED_LENGTH:
            return self._end_of_sequence(head)
        end = head.start + head.length
        if end > len(self._data):
            raise self._cut(f"{end - len(self._data)} bytes short")
        return end

    def _end_of_sequence(self, head: _Head) -> int:
        """Return where the content of undefined length ends, its delimiter included."""
        awaited = [(_END_OF_SEQUENCE, self._content_is_implicit(head, self._implicit_vr))]
        position = head.start
        while awaited:
            if len(awaited) > MAX_DEPTH:
                raise Refuse(Status.NESTED_TOO_DEEP, f"sequences nested more than {MAX_DEPTH} deep")
            delimiter, implicit_vr = awaited[-1]
            inner = self._head(position, implicit_vr=implicit_vr)
            position = inner.start
            if inner.tag == delimiter:
                awaited.pop()
            elif (inner.tag == _ITEM) != (delimiter == _END_OF_SEQUENCE) or inner.tag in _DELIMITERS:
                raise Refuse(Status.NOT_PARSABLE, f"{_name(inner.tag)} misplaced in {_name(head.tag)}")
            elif inner.length != UNDEFINED_LENGTH:
                position = self._end(inner)
            elif inner.tag == _ITEM:
                awaited.append((_END_OF_ITEM, implicit_vr))
            else:
                awaited.append((_END_OF_SEQUENCE, self._content_is_implicit(inner, implicit_vr)))
        return position

    def _content_is_implicit(self, head: _Head, implicit_vr: bool) -> bool:
        return implicit_vr or head.vr == _UNKNOWN_VR  # PS3.5 6.2.2, note on UN of undefined length

    def _head(self, position: int, *, implicit_vr: bool) -> _Head:
        try:
            group, element = self._tag.unpack_from(self._data, position)
            tag = group << 16 | element
            if implicit_vr or group == 0xFFFE:
                return _Head(tag, b"", self._long.unpack_from(self._data, position + 4)[0], position + 8)
            return self._explicit_head(tag, position)
        except struct.error:
            raise self._cut("no room for another element") from None

    def _explicit_head(self, tag: int, position: int) -> _Head:
        (vr,) = struct.unpack_from("2s", self._data, position + 4)
        if vr in _SHORT_VRS:
            return _Head(tag, vr, self._short.unpack_from(self._data, position + 6)[0], position + 8)
        if vr in _LONG_VRS:
            return _Head(tag, vr, self._long.unpack_from(self._data, position + 8)[0], position + 12)
        if position == 0 and self._long.unpack_from(self._data, 4)[0] + 8 <= len(self._data):
            raise Refuse(Status.WRONG_ENCODING, "implicit VR where explicit VR was agreed")
        raise Refuse(Status.NOT_PARSABLE, f"no value representation in {_name(tag)}")

    def _cut(self, detail: str) -> Refuse:
        pixels = self._outermost == PIXEL_DATA
        status = Status.PIXELS_TRUNCATED if pixels else Status.TRUNCATED
        return Refuse(status, f"ends in or after {_name(self._outermost)}: {detail}")


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

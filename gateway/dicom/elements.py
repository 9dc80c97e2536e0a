"""The elements of an encoded data set (PS3.5 7.1), walked without building it and without recursion.

Every length is checked against the bytes that are there, so that a data set cut anywhere is noticed. Elements
and items are counted at every depth, so that no reader builds more of them than fit.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pydicom._dicom_dict import DicomDictionary
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from gateway.dicom.octets import Octets
from gateway.dicom.unreadable import Fault, Unreadable

PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
MAX_DEPTH = 64
"""Levels of nested items and sequences; real objects have fewer than ten."""
MAX_ELEMENTS = 500_000
"""Elements and items at all levels: a multi-frame CT of 4,000 frames has 250,000; they take two seconds."""
MAX_OUTERMOST = 20_000
"""Elements of the outermost level: the standard knows 5,000."""

_ITEM = 0xFFFEE000
_END_OF_ITEM = 0xFFFEE00D
_END_OF_SEQUENCE = 0xFFFEE0DD
_FIRST_GROUP = 0x0003  # after those of command sets and file meta information (PS3.7 6.3, PS3.10 7.1)
_SHORTEST_ELEMENT = 8
_SHORT_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_16)
LONG_VRS = frozenset(vr.encode() for vr in EXPLICIT_VR_LENGTH_32)
_SEQUENCES = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
_SEQUENCE_VR, _UNKNOWN_VRS = b"SQ", (b"UN", b"")


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the outermost level.

    Attributes
    ----------
    vr
        As it is encoded, empty where it is not; `SQ` for each one of items that are data sets.
    implicit_vr
        How the content of a sequence is encoded.
    begin, end
        Where its value lies, without the delimiter of an undefined length.
    value
        None where it is longer than was asked for, a sequence, or of undefined length.
    contained
        Number of elements and items within it.
    """

    tag: int
    vr: str
    implicit_vr: bool
    undefined_length: bool
    begin: int
    end: int
    value: bytes | memoryview | None
    contained: int


class _Head(NamedTuple):
    tag: int
    vr: bytes
    length: int


class _Level(NamedTuple):
    """A sequence whose items, or an item whose elements, are being walked."""

    holder: int  # tag of the sequence
    of_items: bool
    of_fragments: bool
    end: float  # infinite where a delimiter is awaited
    limit: float  # the end of the innermost level that has one
    implicit_vr: bool


class Elements:
    """The elements of one encoded data set, which can be iterated once.

    Parameters
    ----------
    octets
        The encoded data set, inflated if it was deflated.
    implicit_vr, little_endian
        As the transfer syntax says.
    longest_value
        Values of more bytes are passed over.
    first_group
        Elements of lower groups are refused: another reader would believe them to be the file's.
    """

    def __init__(
        self,
        octets: Octets,
        *,
        implicit_vr: bool,
        little_endian: bool,
        longest_value: float = math.inf,
        first_group: int = _FIRST_GROUP,
    ) -> None:
        self.count = 0
        self._octets = octets
        self._implicit_vr = implicit_vr
        self._longest_value = longest_value
        self._first_group = first_group
        self._outermost = 0
        self._before_pixels = True
        order = "<" if little_endian else ">"
        self._tag_and_length = struct.Struct(order + "HHL")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def __iter__(self) -> Iterator[Element]:
        """Yield the outermost elements in order.

        What comes after Pixel Data need not be whole, but counts as if it were full of elements.

        Raises
        ------
        Unreadable
            When the bytes are no data set in this encoding, end too early, or are too many elements.
        """
        outermost = 0
        while encoded := self._octets.read(_SHORTEST_ELEMENT):
            outermost += 1
            self._add(1)
            if outermost > MAX_OUTERMOST:
                raise _too_many(f"more than {MAX_OUTERMOST} elements beside each other")
            try:
                element = self._element(encoded)
            except Unreadable as damage:
                if self._before_pixels or not _is_tolerable(damage):
                    raise
                self._add_unwalked(self._octets.skip(1 << 62))
                return
            self._before_pixels &= element.tag != PIXEL_DATA
            yield element

    def _element(self, encoded: bytes | memoryview) -> Element:
        counted = self.count
        self._check_group(encoded)
        head = self._head(encoded, self._implicit_vr)
        self._outermost = head.tag
        begin, length = self._octets.position, head.length
        value: bytes | memoryview | None = None
        of_data_sets = _is_sequence(head)
        if of_data_sets or length == UNDEFINED_LENGTH:
            self._walk(self._sequence(head, self._implicit_vr, math.inf))
        elif length <= self._longest_value:
            value = self._octets.read(length)
            self._check_whole(length - len(value))
        else:
            self._check_whole(length - self._octets.skip(length))
        undefined = length == UNDEFINED_LENGTH
        return Element(
            tag=head.tag,
            vr="SQ" if of_data_sets else head.vr.decode(),
            implicit_vr=self._content_is_implicit(head, self._implicit_vr),
            undefined_length=undefined,
            begin=begin,
            end=self._octets.position - _SHORTEST_ELEMENT * undefined,
            value=value,
            contained=self.count - counted,
        )

    def _check_group(self, encoded: bytes | memoryview) -> None:
        if len(encoded) == _SHORTEST_ELEMENT and self._short.unpack_from(encoded)[0] < self._first_group:
            group, element, _ = self._tag_and_length.unpack(encoded)
            raise Unreadable(Fault.NOT_PARSABLE, f"({group:04X},{element:04X}) does not belong here")

    # --- what is nested

    def _walk(self, level: _Level) -> None:
        levels = [level]
        while levels:
            level = levels[-1]
            try:
                if self._octets.position >= level.end:
                    levels.pop()
                elif inner := self._step(level):
                    if len(levels) >= MAX_DEPTH:
                        reason = f"sequences nested more than {MAX_DEPTH} deep"
                        raise Unreadable(Fault.NESTED_TOO_DEEP, reason)
                    levels.append(inner)
                elif level.end == math.inf and self._is_delimited:
                    levels.pop()
            except Unreadable as damage:
                if level.limit == math.inf or not _is_tolerable(damage):
                    raise
                while levels.pop().end == math.inf:
                    pass
                self._pass_over(level.limit)

    def _step(self, level: _Level) -> _Level | None:
        """Pass over one head and its value; return the level that it opens, if any."""
        self._is_delimited = False
        if self._octets.position + _SHORTEST_ELEMENT > level.limit:
            raise self._damaged(level, "an element goes beyond it")
        encoded = self._octets.read(_SHORTEST_ELEMENT)
        if level.of_items:
            return self._step_to_item(level, encoded)
        head = self._head(encoded, level.implicit_vr)
        if head.tag == _END_OF_ITEM:
            self._delimit(level)
            return None
        if head.tag >> 16 == 0xFFFE:
            raise self._damaged(level, "an Item Delimitation Item is missing")
        self._add(1)
        if _is_sequence(head) or head.length == UNDEFINED_LENGTH:
            return self._sequence(head, level.implicit_vr, level.limit)
        self._skip_within(level, head.length)
        return None

    def _step_to_item(self, level: _Level, encoded: bytes | memoryview) -> _Level | None:
        if not encoded:
            raise self._missing_delimiter(level, Fault.TRUNCATED)
        tag, _, length = self._head(encoded, implicit_vr=True)
        if tag == _END_OF_SEQUENCE:
            self._delimit(level)
            return None
        if tag != _ITEM:
            raise self._missing_delimiter(level, Fault.NOT_PARSABLE)
        self._add(1)
        if length and not level.of_fragments:
            return self._level(level.holder, False, False, length, level.limit, level.implicit_vr)
        self._skip_within(level, length)
        return None

    def _delimit(self, level: _Level) -> None:
        self._is_delimited = True
        if level.end != math.inf:  # delimited although its length is known: what is left belongs to nobody
            self._pass_over(level.end)

    def _sequence(self, head: _Head, implicit_vr: bool, limit: float) -> _Level:
        implicit_vr = self._content_is_implicit(head, implicit_vr)
        return self._level(head.tag, True, not _is_sequence(head), head.length, limit, implicit_vr)

    def _level(
        self, holder: int, of_items: bool, of_fragments: bool, length: int, limit: float, implicit_vr: bool
    ) -> _Level:
        """Return a level; content that goes beyond what holds it ends there."""
        if length == UNDEFINED_LENGTH:
            return _Level(holder, of_items, of_fragments, math.inf, limit, implicit_vr)
        end = min(self._octets.position + length, limit)
        return _Level(holder, of_items, of_fragments, end, end, implicit_vr)

    def _pass_over(self, end: float) -> None:
        length = int(end) - self._octets.position
        self._add_unwalked(length)
        self._check_whole(length - self._octets.skip(length))

    def _skip_within(self, level: _Level, length: int) -> None:
        if not length:
            return
        if self._octets.position + length > level.limit:
            raise self._damaged(level, "an element goes beyond it")
        self._check_whole(length - self._octets.skip(length))

    def _content_is_implicit(self, head: _Head, implicit_vr: bool) -> bool:
        return implicit_vr or head.vr in _UNKNOWN_VRS  # PS3.5 6.2.2, note on UN of undefined length

    # --- heads

    def _head(self, encoded: bytes | memoryview, implicit_vr: bool) -> _Head:
        if len(encoded) < _SHORTEST_ELEMENT:
            raise self._cut("no room for another element")
        group, element, length = self._tag_and_length.unpack(encoded)
        tag = group << 16 | element
        if implicit_vr or group == 0xFFFE:
            return _Head(tag, b"", length)
        vr = bytes(encoded[4:6])
        if vr in _SHORT_VRS:
            return _Head(tag, vr, self._short.unpack_from(encoded, 6)[0])
        if vr in LONG_VRS:
            return _Head(tag, vr, self._long_length())
        if self.count == 1 and length >> 16 == 0:
            raise Unreadable(Fault.WRONG_ENCODING, "implicit VR where explicit VR was agreed")
        raise Unreadable(Fault.NOT_PARSABLE, f"no value representation in {_name(tag)}")

    def _long_length(self) -> int:
        encoded = self._octets.read(4)
        if len(encoded) < 4:
            raise self._cut("no room for another element")
        return int(self._long.unpack(encoded)[0])

    # --- counts and complaints

    def _add(self, count: int) -> None:
        self.count += count
        if self.count > MAX_ELEMENTS:
            raise _too_many(f"more than {MAX_ELEMENTS} elements and items")

    def _add_unwalked(self, length: int) -> None:
        """Count bytes that cannot be walked as if they were full of elements."""
        self._add(length // _SHORTEST_ELEMENT)

    def _check_whole(self, missing: int) -> None:
        if missing:
            raise self._cut(f"{missing} bytes short")

    def _cut(self, detail: str) -> Unreadable:
        fault = Fault.PIXELS_TRUNCATED if self._outermost == PIXEL_DATA else Fault.TRUNCATED
        return Unreadable(fault, f"ends in or after {_name(self._outermost)}: {detail}")

    def _missing_delimiter(self, level: _Level, fault: Fault) -> Unreadable:
        fault = Fault.PIXELS_TRUNCATED if level.holder == PIXEL_DATA else fault
        return Unreadable(fault, f"the Sequence Delimitation Item of {_name(level.holder)} is missing")

    def _damaged(self, level: _Level, detail: str) -> Unreadable:
        return Unreadable(Fault.NOT_PARSABLE, f"damaged sequence {_name(level.holder)}: {detail}")


def _is_sequence(head: _Head) -> bool:
    """Tell whether the element has data sets in it, and not bytes or fragments."""
    if head.vr in _UNKNOWN_VRS:
        return head.tag in _SEQUENCES or (head.length == UNDEFINED_LENGTH and head.tag != PIXEL_DATA)
    return head.vr == _SEQUENCE_VR


def _is_tolerable(damage: Unreadable) -> bool:
    """Tell whether the damage is harmless where nobody has to find the next element behind it."""
    return damage.fault not in (Fault.TOO_MANY_ELEMENTS, Fault.INFLATES_TOO_FAR)


def _too_many(reason: str) -> Unreadable:
    return Unreadable(Fault.TOO_MANY_ELEMENTS, reason)


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

"""Walks the elements of an encoded data set (PS3.5 7.1) without building the data set and without recursion.

`part_10` and the receiver use the walk. Every length is checked against the available bytes, so a truncated
data set is always noticed. Elements and items are counted at every depth, so no reader builds more than
`MAX_ELEMENTS`.
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
"""Elements of the outermost level: PS3.6 defines 5,000."""

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
        Encoded value representation, empty in implicit VR; `SQ` for every element that holds data sets.
    implicit_vr
        Whether the content of a sequence is encoded with implicit VR.
    begin, end
        Byte positions of the value, without the delimiter of an undefined length.
    value
        Encoded value; None for a sequence, an undefined length, or more bytes than `longest_value`.
    contained
        Number of elements and items within the value.
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
    """The walk's position in one sequence (over its items) or one item (over its elements)."""

    holder: int  # tag of the sequence
    of_items: bool
    of_fragments: bool
    end: float  # infinite for an undefined length: a delimiter ends the level
    limit: float  # the end of the innermost enclosing level of defined length
    implicit_vr: bool


class Elements:
    """An iterator over the elements of one encoded data set; it can be iterated once.

    Parameters
    ----------
    octets
        The encoded data set, inflated if it was deflated.
    implicit_vr, little_endian
        Encoding, from the transfer syntax.
    longest_value
        Longer values, in bytes, are skipped: `Element.value` is None.
    first_group
        Elements of lower groups are refused: other readers would take them for file meta information.
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

        Damage after Pixel Data is tolerated; the bytes there count as if they were full of elements.

        Raises
        ------
        Unreadable
            When the bytes are not a data set in this encoding, end too early, or hold too many elements.
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

    # --- nested levels

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
        if level.end != math.inf:  # a delimiter despite a defined length: the remaining bytes are skipped
            self._pass_over(level.end)

    def _sequence(self, head: _Head, implicit_vr: bool, limit: float) -> _Level:
        implicit_vr = self._content_is_implicit(head, implicit_vr)
        return self._level(head.tag, True, not _is_sequence(head), head.length, limit, implicit_vr)

    def _level(
        self, holder: int, of_items: bool, of_fragments: bool, length: int, limit: float, implicit_vr: bool
    ) -> _Level:
        """Return a level; its end never exceeds the end of the enclosing level."""
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
    """Tell whether the walk can go on after the damage when the next element's position is known."""
    return damage.fault not in (Fault.TOO_MANY_ELEMENTS, Fault.INFLATES_TOO_FAR)


def _too_many(reason: str) -> Unreadable:
    return Unreadable(Fault.TOO_MANY_ELEMENTS, reason)


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

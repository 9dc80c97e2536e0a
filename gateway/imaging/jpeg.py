"""Checks all markers of a JPEG or JPEG-LS codestream (ISO/IEC 10918-1 Annex B, 14495-1 Annex C).

`codestream` calls it before a decoder runs. Decoders read uninitialised memory where markers contradict each
other, such as two frame headers or a scan without its tables.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_SCANS = 64
"""Limit on scans of an image: progressive images have about ten, and each scan visits every block."""
MAX_SEGMENTS = 4096

ENDS_TOO_EARLY = "The codestream ends too early."
TOO_MANY_PARTS = "The codestream has more parts than a radiograph needs."

_SOI, _EOI, _SOS, _DHT, _DHP, _EXP, _LSE = 0xD8, 0xD9, 0xDA, 0xC4, 0xDE, 0xDF, 0xF8
_JPEG_LS = 0xF7
_FRAMES = {*range(0xC0, 0xD0), _JPEG_LS} - {0xC4, 0xC8, 0xCC}  # ISO/IEC 10918-1 B.1.1.3
_HUFFMAN = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7}  # frames whose scans need Huffman tables
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_OVERSIZE = b"\x04"  # LSE that gives a size of its own (ISO/IEC 14495-1 C.2.4.1.4)
_MARKER_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_MARKER_AFTER_JPEG_LS_SCAN = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")  # 0xFF and a bit of 0 are data


class Damaged(Exception):  # noqa: N818 - describes the codestream
    """The codestream must not be decoded; the message says why."""


class FrameHeader(NamedTuple):
    """Size of the coded image, bits of a sample, and whether samples are signed (JPEG 2000 only)."""

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False


class _Segment(NamedTuple):
    marker: int
    content: bytes


def frame_of(codestream: bytes) -> FrameHeader | None:
    """Return the first frame header, or None where there is none."""
    try:
        return next((_frame(each) for each in _segments(codestream) if each.marker in _FRAMES), None)
    except Damaged:
        return None


def check(codestream: bytes, *, jpeg_ls: bool) -> None:
    """Check that there is one complete frame, its tables precede its scans, and its scans are few.

    Raises
    ------
    Damaged
        If the codestream fails any of these checks.
    """
    kind, components, has_tables, scans = 0, 0, False, 0
    for number, segment in enumerate(_segments(codestream)):
        if number > MAX_SEGMENTS:
            raise Damaged(TOO_MANY_PARTS)
        marker = segment.marker
        if marker in _FRAMES:
            _require(not kind, "The codestream has two frame headers.")
            _require((marker == _JPEG_LS) == jpeg_ls, "The codestream is not of its transfer syntax.")
            kind, components = marker, _frame(segment).samples
        elif marker in (_DHP, _EXP):
            raise Damaged("The codestream is hierarchical, which no transfer syntax allows.")
        elif marker == _DHT:
            has_tables = True
        elif marker == _LSE:
            _require(not segment.content.startswith(_OVERSIZE), "The codestream gives its size twice.")
        elif marker == _SOS:
            _require(bool(kind), "The codestream has a scan before its frame header.")
            _require(has_tables or kind not in _HUFFMAN, "The codestream has a scan without its tables.")
            _require(_scan_components(segment) <= components, "A scan has components that the frame lacks.")
            scans += 1
            _require(scans <= MAX_SCANS, TOO_MANY_PARTS)
    _require(scans > 0, "The codestream has no scan.")


def _segments(codestream: bytes) -> Iterator[_Segment]:
    """Yield the segments up to the end of the image.

    Raises
    ------
    Damaged
        Where a marker is expected and absent, or the end of the image is missing.
    """
    _require(codestream.startswith(b"\xff\xd8"), "The codestream does not begin as JPEG.")
    position, is_jpeg_ls = 2, False
    while True:
        position = _after_fill(codestream, position)
        marker = codestream[position]
        position += 1
        if marker == _EOI:
            return
        if marker in _STANDALONE:
            continue
        _require(marker != _SOI, "The codestream begins twice.")
        length = _unpacked(">H", codestream, position)
        content = codestream[position + 2 : position + length]
        _require(length >= 2 and len(content) == length - 2, ENDS_TOO_EARLY)
        position += length
        is_jpeg_ls |= marker == _JPEG_LS
        yield _Segment(marker, content)
        if marker == _SOS:
            found = (_MARKER_AFTER_JPEG_LS_SCAN if is_jpeg_ls else _MARKER_AFTER_SCAN).search(
                codestream, position
            )
            if not found:
                raise Damaged(ENDS_TOO_EARLY)
            position = found.start()


def _after_fill(codestream: bytes, position: int) -> int:
    """Return the position of the marker code after any number of fill bytes from `position`."""
    code = position
    while code < len(codestream) and codestream[code] == 0xFF:
        code += 1
    _require(code < len(codestream), ENDS_TOO_EARLY)
    _require(code > position, "The codestream has bytes between its segments.")
    return code


def _frame(segment: _Segment) -> FrameHeader:
    precision, rows, columns, samples = struct.unpack_from(">BHHB", segment.content.ljust(6, b"\0"))
    _require(len(segment.content) == 6 + 3 * samples, "The codestream's frame header is damaged.")
    return FrameHeader(rows, columns, samples, precision)


def _scan_components(segment: _Segment) -> int:
    count = segment.content[0] if segment.content else 0
    _require(
        count > 0 and len(segment.content) == 4 + 2 * count, "A scan header of the codestream is damaged."
    )
    return count


def _unpacked(layout: str, codestream: bytes, position: int) -> int:
    if position + struct.calcsize(layout) > len(codestream):
        raise Damaged(ENDS_TOO_EARLY)
    return int(struct.unpack_from(layout, codestream, position)[0])


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Damaged(otherwise)

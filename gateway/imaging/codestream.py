"""What a JPEG, JPEG-LS or JPEG 2000 codestream says of itself, read before any memory is given to it."""

from __future__ import annotations

import struct
from typing import NamedTuple

_J2K_START = b"\xff\x4f\xff\x51"  # SOC, SIZ (ISO/IEC 15444-1 A.4.1, A.5.1)
_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # ISO/IEC 10918-1 B.1.1.3; 0xF7: JPEG-LS
_STANDALONE = {0x01, 0xFF, *range(0xD0, 0xD9)}  # markers without a segment, and fill bytes


class Frame(NamedTuple):
    """Size of the coded image, and the number of bits of a sample."""

    rows: int
    columns: int
    samples: int
    precision: int


def coded_frame(codestream: bytes) -> Frame | None:
    """Return what the codestream's own header says, or None where it has none that can be read."""
    try:
        start = codestream.find(_J2K_START, 0, 4096)
        return _jpeg_2000(codestream, start) if start >= 0 else _jpeg(codestream)
    except (struct.error, IndexError):
        return None


def _jpeg_2000(codestream: bytes, start: int) -> Frame:
    columns, rows, left, top = struct.unpack_from(">4I", codestream, start + 8)
    samples, precision = struct.unpack_from(">HB", codestream, start + 40)
    return Frame(rows - top, columns - left, samples, (precision & 0x7F) + 1)


def _jpeg(codestream: bytes) -> Frame | None:
    position = 2
    while codestream[position] == 0xFF:
        marker = codestream[position + 1]
        if marker in _START_OF_FRAME:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", codestream, position + 4)
            return Frame(rows, columns, samples, precision)
        position += 1 if marker in _STANDALONE else 2 + _segment_length(codestream, position + 2)
    return None


def _segment_length(codestream: bytes, position: int) -> int:
    return int(struct.unpack_from(">H", codestream, position)[0])

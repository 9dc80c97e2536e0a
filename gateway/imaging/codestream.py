"""What a JPEG, JPEG-LS or JPEG 2000 codestream says of itself, read before any memory is given to it."""

from __future__ import annotations

import struct
from typing import NamedTuple

from pydicom.uid import UID, JPEG2000TransferSyntaxes

from gateway.imaging import jpeg_2000

MAX_SCANS = 64
"""Scans of a JPEG image: progressive ones have about ten, and each goes over every block."""

_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # ISO/IEC 10918-1 B.1.1.3; 0xF7: JPEG-LS
_STANDALONE = {0x01, 0xFF, *range(0xD0, 0xD9)}  # markers without a segment, and fill bytes
_START_OF_SCAN = b"\xff\xda"
_END_OF_IMAGE = b"\xff\xd9"
_PADDING = b"\0\xff"


class Frame(NamedTuple):
    """Size of the coded image, and the number of bits of a sample."""

    rows: int
    columns: int
    samples: int
    precision: int


def coded_frame(codestream: bytes, transfer_syntax_uid: UID) -> Frame | None:
    """Return what the codestream's own header says, or None where it has none that can be read."""
    try:
        if transfer_syntax_uid in JPEG2000TransferSyntaxes:
            return Frame(*jpeg_2000.size(codestream))
        return _jpeg(codestream)
    except (struct.error, IndexError):
        return None


def why_not_decoded(codestream: bytes, transfer_syntax_uid: UID) -> str | None:
    """Return why no decoder shall see the codestream: it is cut off, or would cost too much.

    JPEG decoders paint what is missing in grey, so that half an image would look like a whole one.
    """
    if transfer_syntax_uid in JPEG2000TransferSyntaxes:
        whole, cheap = jpeg_2000.has_all_tiles(codestream), jpeg_2000.is_cheap(codestream)
    else:
        whole = codestream.rstrip(_PADDING).endswith(_END_OF_IMAGE)
        cheap = codestream.count(_START_OF_SCAN) <= MAX_SCANS
    if not whole:
        return "The codestream ends too early."
    return None if cheap else "The codestream has more parts than a radiograph needs."


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

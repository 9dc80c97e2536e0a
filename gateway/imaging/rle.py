"""Decodes RLE Lossless (PS3.5 Annex G). `codecs` calls it. The header is checked before the codec runs."""

from __future__ import annotations

import struct
from itertools import pairwise

import imagecodecs
import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<16L")  # number of segments, then the offset of each (PS3.5 G.5)
_SURPLUS = 128  # bytes by which the last run of a segment may exceed the plane


def decode_rle(data: bytes, cells: int, bytes_per_cell: int) -> bytes:
    """Return the cells of one frame, little endian; the first segment holds the most significant bytes.

    Raises
    ------
    ValueError, struct.error, imagecodecs.ImcdError
        If the header is damaged, or a segment is shorter than `cells` bytes.
    """
    segments, *starts = _HEADER.unpack_from(data)
    ends = [_HEADER.size, *starts[:segments], len(data)]
    if segments != bytes_per_cell or any(end < start for start, end in pairwise(ends)):
        raise ValueError("damaged RLE header")
    decoded = np.zeros((cells, bytes_per_cell), np.uint8)
    for number, (start, end) in enumerate(pairwise(ends[1:])):
        decoded[:, bytes_per_cell - 1 - number] = _segment(data[start:end], cells)
    return decoded.tobytes()


def _segment(data: bytes, cells: int) -> NDArray[np.uint8]:
    plane = np.empty(cells + _SURPLUS, np.uint8)
    if len(imagecodecs.packbits_decode(data, out=plane.data)) < cells:
        raise ValueError("a RLE segment is too short")
    return plane[:cells]

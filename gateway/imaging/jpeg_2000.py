"""Reads the headers of a JPEG 2000 codestream (ISO/IEC 15444-1 Annex A), also within a JP2 file (Annex I).

`codestream` calls it before a decoder runs. A decoder allocates memory for every tile, precinct and code
block that the headers announce, before it reads one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_PARTS = 1 << 18
"""Limit on precincts and code blocks: 100 million pixels in blocks of 32 × 32 have 98,000."""

MAX_PACKETS = 1 << 20
"""Limit on packets, one for each tile, layer and precinct: real images have some thousands."""

MAX_LAYERS = 1024
MAX_SEGMENTS = 1 << 16

_START = b"\xff\x4f\xff\x51"  # SOC, SIZ
_SIZ, _COD, _COC, _SOT, _SOD, _EOC = 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_SEGMENT_HEAD = 4  # marker and length
_BOX = struct.Struct(">L4s")
_CODESTREAM_BOX = b"jp2c"
_WHOLE_TILE = 0xFF  # precinct exponents where none are given


class _CodingStyle(NamedTuple):
    layers: int
    block: tuple[int, int]  # exponents of a code block's width and height
    precincts: bytes  # one for each resolution, the least first: exponents of width (low) and height (high)


def size(data: bytes) -> tuple[int, int, int, int, bool]:
    """Return rows, columns, samples per pixel, bits of a sample and its sign; rows are 0 if subsampled.

    Raises
    ------
    struct.error, IndexError
        If the headers cannot be read.
    """
    start = _start(data)
    columns, rows, left, top = struct.unpack_from(">4L", data, start + 8)
    samples, precision, across, down = struct.unpack_from(">HBBB", data, start + 40)
    whole = across == down == 1
    return whole * (rows - top), columns - left, samples, (precision & 0x7F) + 1, precision >> 7 == 1


def is_cheap(data: bytes) -> bool:
    """Tell whether all coding styles in `data`, of one component, stay within the limits above."""
    tiles, *tile = _tiles(data)
    return all(_is_cheap(style, tiles, *tile) for style in _coding_styles(data))


def says_its_size_twice(data: bytes) -> bool:
    """Tell whether there is a second SIZ segment, which another reader might use."""
    return sum(marker == _SIZ for marker, _ in _segments(data)) != 1


def has_all_tiles(data: bytes) -> bool:
    """Tell whether every tile has a tile-part: decoders leave missing tiles black."""
    begun = {segment[:2] for marker, segment in _segments(data) if marker == _SOT}
    return len(begun) >= _tiles(data)[0]


def _tiles(data: bytes) -> tuple[int, int, int]:
    """Return the number of tiles, and the rows and columns of one."""
    rows, columns, *_ = size(data)
    tile_columns, tile_rows = struct.unpack_from(">2L", data, _start(data) + 24)
    if not tile_columns or not tile_rows:
        raise struct.error("tiles of no size")
    tiles = _divided(columns, tile_columns) * _divided(rows, tile_rows)
    return tiles, min(rows, tile_rows), min(columns, tile_columns)


def _start(data: bytes) -> int:
    """Return the position of the codestream: 0, or in the first codestream box of a JP2 file."""
    position = 0
    while data[position : position + 4] != _START:
        length, kind = _BOX.unpack_from(data, position)
        within = kind == _CODESTREAM_BOX
        if length < _BOX.size and not within:
            raise struct.error("no codestream")
        position += _BOX.size if within else length
    return position


def _is_cheap(style: _CodingStyle, tiles: int, rows: int, columns: int) -> bool:
    width, height = style.block
    blocks = tiles * _divided(columns, 1 << width) * _divided(rows, 1 << height)
    precincts = tiles * _precincts(style, rows, columns)
    layers = style.layers
    return blocks + precincts <= MAX_PARTS and layers <= MAX_LAYERS and layers * precincts <= MAX_PACKETS


def _precincts(style: _CodingStyle, rows: int, columns: int) -> int:
    """Return the number of precincts of a tile at all resolutions."""
    count = 0
    for level, exponents in enumerate(reversed(style.precincts)):
        across = _divided(columns, 1 << level + (exponents & 0xF))
        count += across * _divided(rows, 1 << level + (exponents >> 4))
    return count


def _divided(length: int, part: int) -> int:
    return -(-length // part)


def _coding_styles(data: bytes) -> Iterator[_CodingStyle]:
    """Yield the coding styles of all COD and COC segments, including those of tiles."""
    for marker, segment in _segments(data):
        if marker == _COD:
            yield _coding_style(segment[0], int.from_bytes(segment[2:4]), segment[5:])
        elif marker == _COC:
            yield _coding_style(segment[1], 1, segment[2:])


def _coding_style(flags: int, layers: int, parameters: bytes) -> _CodingStyle:
    levels, width, height = parameters[:3]
    precincts = parameters[5 : 6 + levels] if flags & 1 else bytes([_WHOLE_TILE] * (levels + 1))
    return _CodingStyle(layers, ((width & 0xF) + 2, (height & 0xF) + 2), precincts)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment in the main header and in those of tile-parts."""
    position, next_tile_part, count = _start(data) + 2, 0, 0
    while position + _SEGMENT_HEAD <= len(data):
        marker, length = struct.unpack_from(">HH", data, position)
        content = data[position + _SEGMENT_HEAD : position + 2 + length]
        if marker == _SOD:
            length = next_tile_part - position - 2
        elif marker == _SOT:
            next_tile_part = position + int.from_bytes(content[2:6])
        if marker == _EOC or length < 2:
            return
        count += 1
        if count > MAX_SEGMENTS:
            raise struct.error("more segments than a radiograph needs")
        if marker != _SOD:
            yield marker, content
        position += 2 + length

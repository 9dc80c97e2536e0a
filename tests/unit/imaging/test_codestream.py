"""Codestreams that would cost a decoder gigabytes or minutes, end it, or come out as half an image."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from gateway.errors import Reject
from gateway.imaging.decode import decode
from gateway.records import Reason
from tests.unit.imaging.tiny_image import ramp, tiny_image

SIDE = 256
PIXELS = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) % 4096
EIGHT_BITS = (PIXELS >> 4).astype(np.uint8)
HUGE = 10_000  # with as many columns: as many pixels as are allowed


def jpeg_2000(codec: str = "j2k") -> bytearray:
    options = {"codecformat": codec, "reversible": True, "bitspersample": 12}
    return bytearray(imagecodecs.jpeg2k_encode(PIXELS, **options))


def tiled(tiles: int) -> bytes:
    """Return four tiles side by side, of which so many are there."""
    whole = jpeg_2000()
    start = whole.find(b"\xff\x90")
    head, tile = whole[:start], whole[start:-2]
    head[8:12] = struct.pack(">L", 4 * SIDE)
    numbered = [tile[:4] + struct.pack(">H", number) + tile[6:] for number in range(tiles)]
    return bytes(head + b"".join(numbered) + whole[-2:])


def of_size(side: int, codestream: bytearray) -> bytes:
    """Claim another size, in one tile (SIZ, A.5.1)."""
    start = codestream.find(b"\xff\x4f\xff\x51")
    codestream[start + 8 : start + 16] = codestream[start + 24 : start + 32] = struct.pack(">2L", side, side)
    return bytes(codestream)


def with_style(codestream: bytearray, offset: int, value: bytes) -> bytearray:
    """Change the COD segment (ISO/IEC 15444-1 A.6.1) from `offset` on."""
    start = codestream.find(b"\xff\x52") + offset
    codestream[start : start + len(value)] = value
    return codestream


def with_precincts(codestream: bytearray, exponents: int) -> bytes:
    start = codestream.find(b"\xff\x52")
    (length,) = struct.unpack_from(">H", codestream, start + 2)
    levels = codestream[start + 9]
    codestream[start + 2 + length : start + 2 + length] = bytes([exponents] * (levels + 1))
    codestream[start + 2 : start + 5] = struct.pack(">HB", length + levels + 1, 1)
    return bytes(codestream)


def in_a_tile(codestream: bytes) -> bytes:
    """Say it in the tile's header, where a COD overrules the main header's."""
    start, tile = codestream.find(b"\xff\x52"), codestream.find(b"\xff\x90")
    (length,) = struct.unpack_from(">H", codestream, start + 2)
    style = bytearray(codestream[start : start + 2 + length])
    style[10:12] = b"\0\0"  # code blocks of 4 × 4
    (tile_length,) = struct.unpack_from(">L", codestream, tile + 6)
    header = (
        codestream[tile : tile + 6] + struct.pack(">L", tile_length + len(style)) + codestream[tile + 10 :]
    )
    return codestream[:tile] + header[:12] + bytes(style) + header[12:]


def decoy(inner: bytes) -> bytes:
    """Put the header of a small image into a box that no decoder looks at."""
    small = b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">8LHB", SIDE, SIDE, 0, 0, 0, 0, 0, 0, 1, 11)
    return inner[:12] + struct.pack(">L4s", len(small) + 8, b"free") + small + inner[12:]


def jpeg_with_decoy() -> bytes:
    small = b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">8LHB", SIDE, SIDE, 0, 0, 0, 0, 0, 0, 1, 7)
    whole = bytearray(imagecodecs.jpeg_encode(EIGHT_BITS, 90))
    frame = whole.find(b"\xff\xc0")
    whole[frame + 5 : frame + 9] = struct.pack(">2H", 60_000, 60_000)
    return bytes(whole[:2] + b"\xff\xfe" + struct.pack(">H", len(small) + 2) + small + whole[2:])


def progressive(extra_scans: int) -> bytes:
    with BytesIO() as file:
        Image.fromarray(EIGHT_BITS).save(file, "JPEG", progressive=True)
        whole = file.getvalue()
    scan = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + scan * extra_scans + whole[-2:]


def rle(segments: list[bytes], starts: list[int] | None = None) -> bytes:
    offsets = starts or [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    header = [len(segments), *offsets, *[0] * (15 - len(segments))]
    return struct.pack("<16L", *header) + b"".join(segments)


def lossless() -> bytearray:
    return bytearray(imagecodecs.jpeg_encode(PIXELS, lossless=True, predictor=1, bitspersample=12))


def segment(codestream: bytes, marker: int) -> slice:
    """Return where the first segment with this marker lies."""
    start = codestream.find(bytes([0xFF, marker]))
    return slice(start, start + 2 + int.from_bytes(codestream[start + 2 : start + 4]))


def another_marker(codestream: bytearray, marker: int, other: int) -> bytes:
    codestream[segment(codestream, marker).start + 1] = other
    return bytes(codestream)


def without(codestream: bytes, marker: int) -> bytes:
    found = segment(codestream, marker)
    return bytes(codestream[: found.start] + codestream[found.stop :])


def twice(codestream: bytes, marker: int, change: Callable[[bytearray], None] | None = None) -> bytes:
    """Repeat a segment before the first scan, changed."""
    found, scan = segment(codestream, marker), codestream.find(b"\xff\xda")
    again = bytearray(codestream[found])
    if change:
        change(again)
    return bytes(codestream[:scan] + again + codestream[scan:])


def larger(frame: bytearray) -> None:
    frame[5:9] = struct.pack(">2H", 60_000, 60_000)


def with_segment(codestream: bytes, content: bytes) -> bytes:
    """Put a segment before the frame header of JPEG-LS."""
    frame = codestream.find(b"\xff\xf7")
    return codestream[:frame] + content + codestream[frame:]


def with_second_size(codestream: bytearray) -> bytes:
    size = segment(codestream, 0x51)
    return bytes(codestream[: size.stop] + codestream[size] + codestream[size.stop :])


PLANE = imagecodecs.packbits_encode(bytes(SIDE * SIDE))
HALF = SIDE * SIDE // 256
REJECTED: dict[str, tuple[str, int, Callable[[], bytes]]] = {
    # what: transfer syntax, bits, codestream
    "JPEG, half": (uid.JPEGBaseline8Bit, 8, lambda: imagecodecs.jpeg_encode(EIGHT_BITS, 90)[:2000]),
    "JPEG of 12 bits, half": (
        uid.JPEGExtended12Bit,
        12,
        lambda: imagecodecs.jpeg_encode(PIXELS, 90, bitspersample=12)[:2000],
    ),
    "JPEG Lossless, half": (
        uid.JPEGLosslessSV1,
        12,
        lambda: imagecodecs.jpeg_encode(PIXELS, lossless=True, predictor=1, bitspersample=12)[:2000],
    ),
    "JPEG-LS, half": (uid.JPEGLSLossless, 12, lambda: imagecodecs.jpegls_encode(PIXELS)[:2000]),
    "JPEG 2000, half": (uid.JPEG2000, 12, lambda: bytes(jpeg_2000()[:300])),
    "JPEG 2000, tiles of no size": (
        uid.JPEG2000,
        12,
        lambda: bytes(jpeg_2000()[:24] + bytes(8) + jpeg_2000()[32:]),
    ),
    "JPEG 2000, 65535 layers": (uid.JPEG2000, 12, lambda: bytes(with_style(jpeg_2000(), 6, b"\xff\xff"))),
    "JPEG 2000, precincts of 2 × 2": (uid.JPEG2000, 12, lambda: with_precincts(jpeg_2000(), 0x11)),
    "JPEG 2000, a decoy of its size": (
        uid.JPEG2000,
        12,
        lambda: decoy(of_size(60_000, jpeg_2000("jp2"))),
    ),
    "JPEG, a decoy of its size": (uid.JPEGBaseline8Bit, 8, jpeg_with_decoy),
    "JPEG, a thousand scans": (uid.JPEGBaseline8Bit, 8, lambda: progressive(1000)),
    "JPEG Lossless, tables that became a second frame header": (
        uid.JPEGLosslessSV1,
        12,
        lambda: another_marker(lossless(), 0xC4, 0xC6),
    ),
    "JPEG Lossless, no tables": (uid.JPEGLosslessSV1, 12, lambda: without(lossless(), 0xC4)),
    "JPEG Lossless, no frame header": (uid.JPEGLosslessSV1, 12, lambda: without(lossless(), 0xC3)),
    "JPEG Lossless, two frame headers": (uid.JPEGLosslessSV1, 12, lambda: twice(lossless(), 0xC3)),
    "JPEG, a second and larger frame header": (
        uid.JPEGBaseline8Bit,
        8,
        lambda: twice(imagecodecs.jpeg_encode(EIGHT_BITS, 90), 0xC0, larger),
    ),
    "JPEG, hierarchical": (
        uid.JPEGBaseline8Bit,
        8,
        lambda: another_marker(bytearray(imagecodecs.jpeg_encode(EIGHT_BITS, 90)), 0xDB, 0xDE),
    ),
    "JPEG, begins twice": (
        uid.JPEGBaseline8Bit,
        8,
        lambda: b"\xff\xd8" + imagecodecs.jpeg_encode(EIGHT_BITS, 90),
    ),
    "JPEG, five thousand comments": (
        uid.JPEGBaseline8Bit,
        8,
        lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 5000 + imagecodecs.jpeg_encode(EIGHT_BITS, 90)[2:],
    ),
    "JPEG-LS that is JPEG Lossless": (uid.JPEGLSLossless, 12, lambda: bytes(lossless())),
    "JPEG Lossless that is JPEG-LS": (uid.JPEGLosslessSV1, 12, lambda: imagecodecs.jpegls_encode(PIXELS)),
    "JPEG-LS, a size of its own": (
        uid.JPEGLSLossless,
        12,
        lambda: with_segment(
            imagecodecs.jpegls_encode(PIXELS), b"\xff\xf8\0\x0c\4\4" + struct.pack(">2L", 60_000, 60_000)
        ),
    ),
    "JPEG-LS, two frame headers": (
        uid.JPEGLSLossless,
        12,
        lambda: twice(imagecodecs.jpegls_encode(PIXELS), 0xF7, larger),
    ),
    "JPEG 2000, two sizes": (uid.JPEG2000, 12, lambda: with_second_size(jpeg_2000())),
    "JPEG 2000, a subsampled component": (
        uid.JPEG2000,
        12,
        lambda: bytes(jpeg_2000()[:43] + b"\2\2" + jpeg_2000()[45:]),
    ),
    "JPEG 2000, a hundred thousand comments": (
        uid.JPEG2000,
        12,
        lambda: bytes(jpeg_2000()[:45] + b"\xff\x64\0\4\0\0" * 100_000 + jpeg_2000()[45:]),
    ),
    "JPEG 2000, packets by the million": (
        uid.JPEG2000,
        12,
        lambda: with_precincts(with_style(jpeg_2000(), 6, b"\3\xff"), 0x44),
    ),
    "RLE, no segments": (uid.RLELossless, 12, lambda: rle([])),
    "RLE, one segment of two": (uid.RLELossless, 12, lambda: rle([PLANE])),
    "RLE, fifteen segments": (uid.RLELossless, 12, lambda: rle([PLANE] * 15)),
    "RLE, a segment beyond the end": (uid.RLELossless, 12, lambda: rle([PLANE] * 2, [64, 4_000_000_000])),
    "RLE, a segment in the header": (uid.RLELossless, 12, lambda: rle([PLANE] * 2, [0, 64])),
    "RLE, segments in disorder": (uid.RLELossless, 12, lambda: rle([PLANE] * 2, [64 + len(PLANE), 64])),
    "RLE, half a segment": (uid.RLELossless, 12, lambda: rle([PLANE, PLANE[:HALF]])),
    "RLE, a bomb": (uid.RLELossless, 12, lambda: rle([PLANE * 1000] * 2)),
    "RLE, half a header": (uid.RLELossless, 12, lambda: rle([PLANE] * 2)[:30]),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_no_decoder_shall_see(name: str) -> None:
    syntax, bits, codestream = REJECTED[name]
    ds = tiny_image(PIXELS if bits > 8 else EIGHT_BITS, bits)
    assert_rejected(ds, syntax, codestream())


def test_code_blocks_of_four_pixels_in_a_huge_image() -> None:
    codestream = in_a_tile(of_size(HUGE, jpeg_2000()))
    ds = tiny_image(ramp(12), 12)
    ds.Rows = ds.Columns = HUGE
    assert_rejected(ds, uid.JPEG2000, codestream)


def assert_rejected(ds: Dataset, syntax: str, codestream: bytes) -> None:
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([codestream])
    with pytest.raises(Reject) as caught:
        decode(ds)
    assert caught.value.reason is Reason.UNDECODABLE


ACCEPTED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "in a JP2 file": (uid.JPEG2000, lambda: bytes(jpeg_2000("jp2"))),
    "bytes after the end": (uid.JPEGLosslessSV1, lambda: bytes(lossless()) + b"made by a maker"),
    "fill bytes before a marker": (uid.JPEGLosslessSV1, lambda: b"\xff\xd8\xff\xff" + bytes(lossless()[2:])),
    "padding after the end": (uid.JPEGLSLossless, lambda: imagecodecs.jpegls_encode(PIXELS) + b"\0\xff\0"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_unusual_and_whole(name: str) -> None:
    syntax, codestream = ACCEPTED[name]
    ds = tiny_image(PIXELS, 12)
    expected = decode(ds).pixels
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([codestream()])
    assert (decode(ds).pixels == expected).all()


def test_tiles_that_are_missing_are_not_taken_for_black() -> None:
    four = np.tile(PIXELS, 4)
    ds = tiny_image(four, 12)
    expected = decode(ds).pixels
    ds.file_meta.TransferSyntaxUID = uid.JPEG2000
    ds.PixelData = encapsulate([tiled(4)])
    assert (decode(ds).pixels == expected).all()
    assert_rejected(ds, uid.JPEG2000, tiled(3))

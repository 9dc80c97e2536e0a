"""PNG and JPEG in every mode that people send."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gateway.errors import Reject
from gateway.imaging.png_jpeg import read_png_or_jpeg
from gateway.records import Reason

GREY = np.array([[0, 51, 255], [102, 153, 204]], np.uint8)
UPRIGHT = GREY.astype(int) * 257


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_modes_of_8_bits(mode: str) -> None:
    assert np.array_equal(read_png_or_jpeg(encode(Image.fromarray(GREY).convert(mode))).pixels, UPRIGHT)


def test_16_bits_are_kept() -> None:
    pixels = np.array([[0, 1], [40000, 65535]], np.uint16)
    grey = read_png_or_jpeg(encode(Image.fromarray(pixels)))
    assert grey.pixels.tolist() == pixels.tolist()
    assert grey.pixels.dtype == np.uint16


def test_one_bit() -> None:
    assert read_png_or_jpeg(encode(Image.fromarray(GREY > 100))).pixels.tolist() == [
        [0, 0, 65535],
        [65535] * 3,
    ]


def test_transparency_is_black() -> None:
    image = Image.new("RGBA", (2, 1), (255, 255, 255, 0))
    image.putpixel((1, 0), (255, 255, 255, 255))
    assert read_png_or_jpeg(encode(image)).pixels.tolist() == [[0, 65535]]


def test_transparent_palette() -> None:
    image = Image.fromarray(GREY).convert("P")
    assert read_png_or_jpeg(encode(image, transparency=bytes([0] * 256))).pixels.max() == 0


def test_jpeg_is_close() -> None:
    flat = Image.new("RGB", (32, 32), (120, 120, 120))
    assert np.abs(read_png_or_jpeg(encode(flat, "JPEG")).pixels.astype(int) - 120 * 257).max() <= 257


def test_exif_orientation_is_followed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise
    turned = read_png_or_jpeg(encode(Image.fromarray(GREY), exif=exif)).pixels
    assert np.array_equal(turned, np.rot90(UPRIGHT, -1))


def test_the_step_names_what_was_read() -> None:
    assert read_png_or_jpeg(encode(Image.fromarray(GREY))).steps == ("PNG picture, mode L",)


def _claim(width: int, height: int) -> bytes:
    """Return a PNG file whose pixels are of no size, and claimed to be of this one."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(b""), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks.items()
    )


PROGRESSIVE = encode(Image.fromarray(GREY), "JPEG", progressive=True)


def _of_two(picture: bytes, scans: int) -> bytes:
    """Return a JPEG file with the index of two pictures (CIPA DC-007), the first with further scans."""
    image = Image.fromarray(GREY)
    two = encode(image, "MPO", save_all=True, append_images=[image])
    begin = two.index(b"MPF\0") - 4
    (length,) = struct.unpack_from(">H", two, begin + 2)
    last = picture[picture.rfind(b"\xff\xda") : -2]
    return picture[:2] + two[begin : begin + 2 + length] + picture[2:-2] + last * scans + picture[-2:]


BAD = {
    "empty": b"",
    "text": b"<html></html>",
    "cut off": encode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)))[:900],
    "another kind": encode(Image.fromarray(GREY), "BMP"),
    "more scans than a picture needs": PROGRESSIVE[:-2]
    + PROGRESSIVE[PROGRESSIVE.rfind(b"\xff\xda") : -2] * 99,
    "more scans in a file of two pictures": _of_two(PROGRESSIVE, 99),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_rejected(name: str) -> None:
    with pytest.raises(Reject) as caught:
        read_png_or_jpeg(BAD[name])
    assert caught.value.reason is Reason.UNDECODABLE


@pytest.mark.parametrize("side", [60_000, 10_001])
def test_a_picture_that_claims_too_many_pixels_is_too_large(side: int) -> None:
    with pytest.raises(Reject) as caught:
        read_png_or_jpeg(_claim(side, side))
    assert caught.value.reason is Reason.TOO_LARGE
    with pytest.raises(Reject, match=r"64 × 64 pixels are more than 0\.001 million"):
        read_png_or_jpeg(encode(Image.fromarray(np.zeros((64, 64), np.uint8))), max_megapixels=0.001)

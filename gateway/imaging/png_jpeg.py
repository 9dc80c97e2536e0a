"""Reads PNG and JPEG files as grey images.

`gateway predict`, `POST /predict` and `gateway evaluate` call it. Size and scans are checked before decoding;
every failure is a `Reject`.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gateway.errors import Reject
from gateway.imaging.image_pixel import MAX_MEGAPIXELS, require_decodable_size
from gateway.imaging.jpeg import MAX_SCANS
from gateway.records import GreyImage, Reason

MARK_BYTES = 8
_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I")


def is_png_or_jpeg(data: bytes) -> bool:
    """Tell whether `data`, at least the first `MARK_BYTES` of a file, begins as PNG or JPEG."""
    return data.startswith(_MARKS)


def read_png_or_jpeg(data: bytes, max_megapixels: float = MAX_MEGAPIXELS) -> GreyImage:
    """Return a PNG or JPEG file as a grey image, rotated by its EXIF orientation, transparency on black.

    Raises
    ------
    Reject
        UNDECODABLE: the file is neither PNG nor JPEG, or is damaged. TOO_LARGE: it exceeds `max_megapixels`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            require_decodable_size(image.height, image.width, max_megapixels)
            _require_few_scans(data, image)
            ImageOps.exif_transpose(image, in_place=True)
            step = f"{image.format} picture, mode {image.mode}"
            return GreyImage(_grey(image), (step,))
    except (Reject, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        detail = f"The picture has more than {max_megapixels:g} million pixels."
        raise Reject(Reason.TOO_LARGE, detail) from bomb
    except Exception as error:  # Pillow's decoders fail in any number of ways
        raise Reject(Reason.UNDECODABLE, "The file is not a readable PNG or JPEG picture.") from error


def _require_few_scans(data: bytes, image: Image.Image) -> None:
    """Bound the number of scans from above: each scan of a progressive JPEG visits every block.

    A JPEG of several pictures (CIPA DC-007) is of another format for Pillow, and decoded likewise.
    """
    if image.format != "PNG" and data.count(b"\xff\xda") > MAX_SCANS:
        raise Reject(Reason.UNDECODABLE, f"The picture has more than {MAX_SCANS} scans.")


def _grey(image: Image.Image) -> NDArray[np.uint16]:
    """Return uint16 pixels; 8-bit values are multiplied by 257, so white stays white."""
    if image.mode in _SIXTEEN_BITS:
        deep: NDArray[np.uint16] = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        return deep
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    grey: NDArray[np.uint8] = np.asarray(image if image.mode == "L" else image.convert("L"))
    wide: NDArray[np.uint16] = grey * np.uint16(257)
    return wide

"""PNG and JPEG files as grey images: for prediction from the command line and for training."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gateway.errors import Reject
from gateway.imaging.image_pixel import MAX_PIXELS
from gateway.records import GreyImage, Reason

MARK_BYTES = 8
_MARKS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I")


def is_picture(data: bytes) -> bool:
    """Tell whether a file begins as PNG or JPEG, by its first `MARK_BYTES`."""
    return data.startswith(_MARKS)


def read_picture(data: bytes) -> GreyImage:
    """Return a PNG or JPEG picture in grey, upright by its EXIF orientation, transparency on black.

    Raises
    ------
    Reject
        UNDECODABLE: not such a picture, damaged, or larger than 100 million pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            _require_reasonable_size(image)
            upright = ImageOps.exif_transpose(image)
            step = f"{image.format} picture, mode {image.mode}"
            return GreyImage(_grey(upright), (step,))
    except (Reject, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders fail in any number of ways
        raise Reject(Reason.UNDECODABLE, "The file is not a readable PNG or JPEG picture.") from error


def _require_reasonable_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Reject(Reason.UNDECODABLE, f"The picture has more than {MAX_PIXELS} pixels.")


def _grey(image: Image.Image) -> NDArray[np.uint16]:
    """Grey of 8 bits is widened by 257, so that white stays white."""
    if image.mode in _SIXTEEN_BITS:
        deep: NDArray[np.uint16] = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        return deep
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    grey: NDArray[np.uint8] = np.asarray(image.convert("L"))
    wide: NDArray[np.uint16] = grey * np.uint16(257)
    return wide

"""Resamples images with non-square pixels (PS3.3 C.7.6.3.1.7, 10.7.1.3). `decode` calls it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.imaging.image_pixel import MAX_MEGAPIXELS

_SOURCES = ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio")  # vertical first in each
_TOLERANCE = 0.01
_MOST = 10.0


def make_square(ds: Dataset, pixels: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
    """Return `pixels` enlarged along the coarser axis until pixels are square, and the steps in words.

    An implausible ratio (beyond 10), or one that exceeds the limit on pixels, leaves the image unchanged.
    """
    ratio = _height_by_width(ds)
    if abs(ratio - 1) <= _TOLERANCE:
        return pixels, ()
    rows, columns = pixels.shape
    size = (columns, round(rows * ratio)) if ratio > 1 else (round(columns / ratio), rows)
    if not 1 / _MOST <= ratio <= _MOST or size[0] * size[1] > MAX_MEGAPIXELS * 1_000_000:
        return pixels, (f"pixel height by width {ratio:g} is not plausible, left out",)
    square = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    return square, (f"made square: pixel height by width was {ratio:g}",)


def _height_by_width(ds: Dataset) -> float:
    for keyword in _SOURCES:
        values = header.numbers(ds, keyword)
        if len(values) == 2 and min(values) > 0:
            return values[0] / values[1]
    return 1.0

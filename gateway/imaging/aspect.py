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
    size, steps = square_size(ds, (pixels.shape[0], pixels.shape[1]))
    if size == pixels.shape:
        return pixels, steps
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR)), steps


def square_size(ds: Dataset, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Return the rows and columns that a matrix of `shape` has with square pixels, and the steps in words."""
    ratio = _height_by_width(ds)
    if abs(ratio - 1) <= _TOLERANCE:
        return shape, ()
    rows, columns = shape
    size = (round(rows * ratio), columns) if ratio > 1 else (rows, round(columns / ratio))
    if not 1 / _MOST <= ratio <= _MOST or size[0] * size[1] > MAX_MEGAPIXELS * 1_000_000:
        return shape, (f"pixel height by width {ratio:g} is not plausible, left out",)
    return size, (f"made square: pixel height by width was {ratio:g}",)


def _height_by_width(ds: Dataset) -> float:
    for keyword in _SOURCES:
        values = header.numbers(ds, keyword)
        if len(values) == 2 and min(values) > 0:
            return values[0] / values[1]
    return 1.0

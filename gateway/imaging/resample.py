"""Resamples the rows of an image, antialiased. `preprocess` calls it.

The filter is that of Pillow's bilinear resampling: a triangle as wide as two output rows. Pillow would need
the whole image in floats, and four times the processor time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 4  # output rows: the input of so many stays in the processor's cache


def resample_rows(pixels: NDArray[np.uint16] | NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """Return the image with `count` rows and its own columns, 0–65535 in both depths."""
    first, last, weights = _triangles(len(pixels), count)
    resampled = np.empty((count, pixels.shape[1]), np.float32)
    grey = np.empty((weights.shape[1], pixels.shape[1]), np.float32)
    for top in range(0, count, _AT_ONCE):
        block = slice(top, min(top + _AT_ONCE, count))
        start, end = first[block][0], last[block][-1]
        seen = grey[: end - start]
        np.copyto(seen, pixels[start:end])
        if pixels.dtype == np.uint8:
            seen *= 257
        np.matmul(weights[block, : len(seen)], seen, out=resampled[block])
    return resampled


def _triangles(size: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return for each output row its first input row, the one after its last, and the weights of input rows.

    The weights of a row begin at the first input row of its block of `_AT_ONCE` output rows.
    """
    scale = size / count
    reach = max(scale, 1.0)
    centre = (np.arange(count) + 0.5) * scale
    first = np.maximum(centre - reach + 0.5, 0).astype(np.intp)
    last = np.minimum(centre + reach + 0.5, size).astype(np.intp)
    start = np.repeat(first[::_AT_ONCE], _AT_ONCE)[:count]
    row = start[:, None] + np.arange((last - start).max())
    distance = np.abs(row + 0.5 - centre[:, None]) / reach
    inside = (row >= first[:, None]) & (row < last[:, None])
    weights = np.where(inside, np.maximum(1 - distance, 0), 0)
    return first, last, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

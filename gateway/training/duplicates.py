"""Copies of one picture under several names, found by what they show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # thumbnails of 28 × 28: 8 × 8 pixels averaged to one
ALIKE = 0.998  # correlation of two thumbnails at which they are one picture


def first_copies(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark, among images of shape (n, 224, 224), those of which no earlier one is a copy.

    A copy may be compressed or resized differently, and brighter or of another contrast.
    """
    thumbnails = _thumbnails(pixels)
    first = np.ones(len(pixels), np.bool_)
    for start in range(0, len(pixels), 1024):
        block = thumbnails[start : start + 1024]
        alike = block @ thumbnails[: start + len(block)].T >= ALIKE
        earlier = np.tril(alike, start - 1)
        first[start : start + len(block)] = ~earlier.any(axis=1)
    return first


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return one row of length 1 and mean 0 for each image: their products are correlations."""
    step = pixels.shape[1] // SIDE
    rows = [
        image.reshape(SIDE, step, SIDE, step).mean(axis=(1, 3), dtype=np.float32).ravel() for image in pixels
    ]
    centred = np.stack(rows) - np.stack(rows).mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, 1e-6), np.float32)

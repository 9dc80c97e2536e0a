"""Finds copies of one image under several file names by correlation of thumbnails. `train` calls it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # side of a thumbnail: 8 × 8 pixels averaged to one
ALIKE = 0.998  # least correlation of two copies


def first_copies(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return bool (n,): whether each image of uint8 (n, 224, 224) is the first of its copies.

    Copies may differ in compression, size, brightness and contrast.
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
    """Return one row of norm 1 and mean 0 for each image: products of rows are correlations."""
    step = pixels.shape[1] // SIDE
    rows = [
        image.reshape(SIDE, step, SIDE, step).mean(axis=(1, 3), dtype=np.float32).ravel() for image in pixels
    ]
    centred = np.stack(rows) - np.stack(rows).mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, 1e-6), np.float32)

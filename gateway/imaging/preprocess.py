"""PREPROCESS: from a grey image to the model's input. Training uses the same functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
MEAN = 0.5
STD = 0.5


def resize(pixels: NDArray[np.uint16] | NDArray[np.uint8]) -> NDArray[np.float32]:
    """Squash a grey image to the model's size, antialiased and without letterbox.

    Parameters
    ----------
    pixels
        uint8 (0–255) or uint16 (0–65535), shape (rows, columns), 0 is black. The same picture gives
        the same values in either depth.

    Returns
    -------
    float32, shape (224, 224), 0–1.
    """
    grey = pixels.astype(np.float32)  # which Pillow resizes faster than 16-bit integers
    if pixels.dtype == np.uint8:
        grey *= 257
    small = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / np.float32(65535)


def normalise(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0–1 values of shape (224, 224) as three equal channels, float32 (3, 224, 224), -1–1."""
    scaled = (grey - np.float32(MEAN)) / np.float32(STD)
    return np.repeat(scaled[None], 3, axis=0)


def to_model_input(pixels: NDArray[np.uint16] | NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a grey image as the model's input, float32 (3, 224, 224), -1–1.

    `pixels` is as for `resize`.
    """
    return normalise(resize(pixels))

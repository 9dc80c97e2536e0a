"""A diverging colour map: blue below zero, orange above, lighter with distance from zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Lightness rises evenly along each arm (CIE L* about 35 to 85), and the two hues stay apart
# for people who do not tell red from green.
_AGAINST = np.array([(24, 84, 160), (36, 132, 200), (84, 178, 226), (150, 220, 250)], np.float64)
_FOR = np.array([(168, 52, 8), (220, 96, 10), (250, 152, 30), (255, 214, 110)], np.float64)
_TRANSPARENT_BELOW = 0.15
_STRONGEST_OPACITY_AGAINST = 0.35  # a negative map covers the whole chest, which must stay readable
_STRONGEST_OPACITY_FOR = 0.6


def levels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return −1–1 as 1–255, so that zero is 128; values beyond are clipped, not-a-number is zero."""
    return (128 + np.rint(127 * np.clip(np.nan_to_num(values), -1, 1))).astype(np.uint8)


def blended(grey: NDArray[np.uint8], level: Image.Image) -> NDArray[np.uint8]:
    """Lay colours over a grey image; where the value is weak, the image shows unchanged.

    Parameters
    ----------
    grey
        Shape (rows, columns), 0–255.
    level
        From `levels`, 8-bit grey, same shape.

    Returns
    -------
    uint8, shape (rows, columns, 3), RGB.
    """
    mask = level.point(_OPACITY.tolist())
    colours = level.copy()
    colours.putpalette(_COLOURS.tobytes())
    below = Image.fromarray(grey).convert("RGB")
    return np.asarray(Image.composite(colours.convert("RGB"), below, mask))


def coloured(level: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what `blended` lays over an image, by itself: uint8, shape (rows, columns, 4), RGBA."""
    return np.concatenate([_COLOURS[level], _OPACITY[level][..., None]], axis=-1)


def _colours() -> NDArray[np.uint8]:
    distance = np.abs(np.arange(256) - 128) / 127
    stops = np.linspace(0, 1, len(_FOR))
    arms = [
        np.stack([np.interp(distance, stops, arm[:, channel]) for channel in range(3)], axis=-1)
        for arm in (_AGAINST, _FOR)
    ]
    return np.concatenate([arms[0][:128], arms[1][128:]]).astype(np.uint8)


def _opacity() -> NDArray[np.uint8]:
    level = np.arange(256) - 128
    above = np.clip((np.abs(level) / 127 - _TRANSPARENT_BELOW) / (1 - _TRANSPARENT_BELOW), 0, 1)
    strongest = np.where(level < 0, _STRONGEST_OPACITY_AGAINST, _STRONGEST_OPACITY_FOR)
    return (255 * strongest * above).astype(np.uint8)


_COLOURS = _colours()
_OPACITY = _opacity()

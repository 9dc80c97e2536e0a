"""PREPROCESS: from a grey image to the model's input.

The worker, `gateway predict`, training and evaluation call the same functions, so the model always sees
images as it was trained on. The same image in 8 or 16 bits gives the same input.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
MEAN = 0.5
STD = 0.5
LEAST_CONTRAST = 0.6
"""Least span of the input from its 1st to its 99th percentile, 0–1; training images span 0.5 to 0.98."""

_LEAST = 0.25  # share of a side: with less content than this, black lines are not margins
_BLACK = 0.02  # share of white: darker pixels count as black, to allow for noise and lossy coding
_STRAY = 0.02  # share of a line's pixels that may be brighter within a margin
_MAP_SIDE = 56

Pixels = NDArray[np.uint16] | NDArray[np.uint8]


def inside_margins(pixels: Pixels) -> tuple[slice, slice]:
    """Return the rows and columns inside the black margins: padding, shutter, background.

    Black margins make a chest smaller in the model's input, and change the model's answer.
    """
    return _seen(pixels), _seen(pixels.T)


def _seen(lines: Pixels) -> slice:
    count = len(lines)
    if not (_black(lines[:1]).all() or _black(lines[-1:]).all()):
        return slice(0, count)
    seen = np.flatnonzero(~_black(lines))
    if len(seen) == 0 or seen[-1] + 1 - seen[0] < _LEAST * count:
        return slice(0, count)
    return slice(int(seen[0]), int(seen[-1]) + 1)


def _black(lines: Pixels) -> NDArray[np.bool_]:
    """Return for each line whether all but a few stray pixels are black."""
    bright = lines > int(_BLACK * np.iinfo(lines.dtype).max)
    black: NDArray[np.bool_] = np.count_nonzero(bright, axis=1) <= _STRAY * lines.shape[1]
    return black


def resize(pixels: Pixels) -> NDArray[np.float32]:
    """Squash a grey image to the model's size, antialiased and without letterbox.

    Parameters
    ----------
    pixels
        uint8 (0–255) or uint16 (0–65535), shape (rows, columns), 0 is black. Both depths give the same
        values.

    Returns
    -------
    float32, shape (224, 224), 0–1.
    """
    grey = pixels.astype(np.float32)  # Pillow resizes floats faster than 16-bit integers
    if pixels.dtype == np.uint8:
        grey *= 257
    small = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / np.float32(65535)


def raise_contrast(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stretch the values of a faint image, 0–1, until they span `LEAST_CONTRAST`; return others unchanged.

    A missing or too wide window makes a chest faint, and raises the model's probability of pneumonia.
    """
    dark, bright = np.percentile(grey, (1, 99)).astype(np.float32)
    contrast = bright - dark
    if contrast == 0 or contrast >= LEAST_CONTRAST:
        return grey
    spread: NDArray[np.float32] = (grey - dark) * (LEAST_CONTRAST / contrast) + min(dark, 1 - LEAST_CONTRAST)
    return spread.clip(0, 1)


def normalise(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values 0–1, shape (224, 224), as three equal channels, float32 (3, 224, 224), -1 to 1."""
    scaled = (grey - np.float32(MEAN)) / np.float32(STD)
    return np.repeat(scaled[None], 3, axis=0)


class ModelInput(NamedTuple):
    """The model's input, float32 (3, 224, 224), -1 to 1, and the steps beyond resizing, in words."""

    tensor: NDArray[np.float32]
    steps: tuple[str, ...]


def preprocess(pixels: Pixels) -> ModelInput:
    """Cut black margins off, resize to the model's size, and raise the contrast of a faint image.

    `pixels` is as for `resize`.
    """
    seen = inside_margins(pixels)
    small = resize(pixels[seen])
    shown = raise_contrast(small)
    steps = {
        "black margins not shown to the model": seen != tuple(slice(0, count) for count in pixels.shape),
        "contrast raised for the model": shown is not small,
    }
    return ModelInput(normalise(shown), tuple(step for step, taken in steps.items() if taken))


def to_model_input(pixels: Pixels) -> NDArray[np.float32]:
    """Return the tensor of `preprocess` without the steps."""
    return preprocess(pixels).tensor


def over_whole_image(activation: NDArray[np.float32], pixels: Pixels) -> NDArray[np.float32]:
    """Return an activation map of the model's input as a map of the whole image.

    Parameters
    ----------
    activation
        float32 (n, n), over the image inside its black margins.
    pixels
        The image, as for `resize`.

    Returns
    -------
    `activation` itself where the image has no black margins, else float32 (56, 56), 0 in the margins.
    """
    places = []
    for part, count in zip(inside_margins(pixels), pixels.shape, strict=True):
        first, last = (round(_MAP_SIDE * edge / count) for edge in (part.start, part.stop))
        places.append(slice(first, last))
    rows, columns = places
    if (rows, columns) == (slice(0, _MAP_SIDE), slice(0, _MAP_SIDE)):
        return activation
    size = (columns.stop - columns.start, rows.stop - rows.start)
    whole = np.zeros((_MAP_SIDE, _MAP_SIDE), np.float32)
    whole[rows, columns] = np.asarray(Image.fromarray(activation).resize(size, Image.Resampling.BILINEAR))
    return whole

"""PREPROCESS: from a grey image to the model's input.

The worker, `gateway predict`, training and evaluation call the same functions, so the model always sees
images as it was trained on. The same image in 8 or 16 bits gives the same input.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.imaging.margins import Pixels, inside_margins
from gateway.imaging.resample import resample_rows
from gateway.records import Box

SIDE = 224
MEAN = 0.5
STD = 0.5
LEAST_CONTRAST = 0.6
"""Least span of the input from its 1st to its 99th percentile, 0–1; training images span 0.5 to 0.98."""

_MAP_SIDE = 56
_LAID_SIDE = 28


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
    rows = Image.fromarray(resample_rows(pixels, SIDE))
    small = np.asarray(rows.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    return small / np.float32(65535)


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


def inside_box(pixels: Pixels) -> Box:
    """Return the part of an image that is the model's input: all inside its black margins."""
    rows, columns = inside_margins(pixels)
    height, width = pixels.shape
    return Box(columns.start / width, rows.start / height, columns.stop / width, rows.stop / height)


def lay_over(activation: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """Return the activation map of a part of the model's input as a map of the whole input.

    `activation` is float32 (n, n), over `box`; the result is float32 (28, 28), 0 outside of it.
    """
    down = _shares(len(activation), box.top, box.bottom)
    across = _shares(len(activation), box.left, box.right)
    return np.asarray(down @ activation @ across.T)


def _shares(count: int, first: float, last: float) -> NDArray[np.float32]:
    """Return the shares, float32 (28, n), of n cells between two edges in each of 28 cells of the whole."""
    place = ((np.arange(_LAID_SIDE) + 0.5) / _LAID_SIDE - first) / (last - first)
    distance = np.abs((count * place - 0.5).clip(0, count - 1)[:, None] - np.arange(count))
    shares = np.where(((place >= 0) & (place <= 1))[:, None], np.maximum(1 - distance, 0), 0)
    return shares.astype(np.float32)

"""PREPROCESS: from a grey image to the model's input. Training resizes by the same function."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
MEAN = 0.5
STD = 0.5
LEAST_CONTRAST = 0.6
"""What the model's input spans at least, from the 1st to the 99th percentile; 0.5 to 0.98 in training."""

_LEAST = 0.25  # of a side: where less than this is not black, the black is no margin
_BLACK = 0.02  # of white: what is darker counts as black, for noise and lossy coding
_STRAY = 0.02  # of a line's pixels may be brighter in a margin
_MAP_SIDE = 56

Pixels = NDArray[np.uint16] | NDArray[np.uint8]


def inside_margins(pixels: Pixels) -> tuple[slice, slice]:
    """Return the rows and columns inside margins that are black throughout: padding, shutter, background.

    A chest in black margins is one seen from farther off, or cut closer, and a network takes it for another.
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
    """Return for each line whether it is black but for a few stray pixels."""
    bright = lines > int(_BLACK * np.iinfo(lines.dtype).max)
    black: NDArray[np.bool_] = np.count_nonzero(bright, axis=1) <= _STRAY * lines.shape[1]
    return black


def resize(pixels: Pixels) -> NDArray[np.float32]:
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


def raise_contrast(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spread the values of a faint picture, 0–1, until they span `LEAST_CONTRAST`; return others as they are.

    A chest without a window, or with one too wide, is faint, and a network takes it for a sick one.
    """
    dark, bright = np.percentile(grey, (1, 99)).astype(np.float32)
    contrast = bright - dark
    if contrast == 0 or contrast >= LEAST_CONTRAST:
        return grey
    spread: NDArray[np.float32] = (grey - dark) * (LEAST_CONTRAST / contrast) + min(dark, 1 - LEAST_CONTRAST)
    return spread.clip(0, 1)


def normalise(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0–1 values of shape (224, 224) as three equal channels, float32 (3, 224, 224), -1–1."""
    scaled = (grey - np.float32(MEAN)) / np.float32(STD)
    return np.repeat(scaled[None], 3, axis=0)


class ModelInput(NamedTuple):
    """The model's input, float32 (3, 224, 224), -1–1, and what was done to the image beyond resizing."""

    tensor: NDArray[np.float32]
    steps: tuple[str, ...]


def preprocess(pixels: Pixels) -> ModelInput:
    """Bring what lies inside an image's black margins to the model's size, and to contrast where it is faint.

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
    """Return the tensor alone, where nobody asks what was done."""
    return preprocess(pixels).tensor


def over_whole_image(activation: NDArray[np.float32], pixels: Pixels) -> NDArray[np.float32]:
    """Return a map of what the model saw of an image as one that spans the whole image.

    Parameters
    ----------
    activation
        float32 (n, n), over what lies inside the margins.
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

"""PREPROCESS over whole images in floats, by Pillow: the reference of `gateway.imaging.preprocess`.

The model's published figures were measured with tensors of this implementation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.imaging.preprocess import SIDE, normalise, raise_contrast

Pixels = NDArray[np.uint16] | NDArray[np.uint8]


def margins(pixels: Pixels) -> tuple[slice, slice]:
    return _seen(pixels), _seen(pixels.T)


def tensor(pixels: Pixels) -> NDArray[np.float32]:
    grey = pixels[margins(pixels)].astype(np.float32) * (257 if pixels.dtype == np.uint8 else 1)
    small = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return normalise(raise_contrast(np.asarray(small) / np.float32(65535)))


def _seen(lines: Pixels) -> slice:
    count = len(lines)
    black = np.count_nonzero(lines > int(0.02 * np.iinfo(lines.dtype).max), axis=1) <= 0.02 * lines.shape[1]
    seen = np.flatnonzero(~black)
    if not (black[0] or black[-1]) or len(seen) == 0 or seen[-1] + 1 - seen[0] < 0.25 * count:
        return slice(0, count)
    return slice(int(seen[0]), int(seen[-1]) + 1)

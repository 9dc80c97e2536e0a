"""Finds the black margins of an image: padding, shutter, background. `preprocess` calls it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 0.25  # share of a side: with less content than this, black lines are not margins
_BLACK = 0.02  # share of white: darker pixels count as black, to allow for noise and lossy coding
_STRAY = 0.02  # share of a line's pixels that may be brighter within a margin
_LINES_AT_ONCE = 32  # read from a border inwards, until a line is not black

Pixels = NDArray[np.uint16] | NDArray[np.uint8]


def inside_margins(pixels: Pixels) -> tuple[slice, slice]:
    """Return the rows and columns inside the black margins.

    Black margins make a chest smaller in the model's input, and change the model's answer.
    """
    return _seen(pixels), _seen(pixels.T)


def _seen(lines: Pixels) -> slice:
    count = len(lines)
    if not (_black(lines[:1]).all() or _black(lines[-1:]).all()):
        return slice(0, count)
    first, last = _black_lines(lines), count - _black_lines(lines[::-1])
    if last - first < _LEAST * count:
        return slice(0, count)
    return slice(first, last)


def _black_lines(lines: Pixels) -> int:
    """Return the number of black lines before the first that is not."""
    for start in range(0, len(lines), _LINES_AT_ONCE):
        seen = np.flatnonzero(~_black(lines[start : start + _LINES_AT_ONCE]))
        if len(seen):
            return start + int(seen[0])
    return len(lines)


def _black(lines: Pixels) -> NDArray[np.bool_]:
    """Return for each line whether all but a few stray pixels are black."""
    bright = lines > int(_BLACK * np.iinfo(lines.dtype).max)
    black: NDArray[np.bool_] = np.count_nonzero(bright, axis=1) <= _STRAY * lines.shape[1]
    return black

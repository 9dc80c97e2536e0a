"""Finds the range of values to display for an image without a usable window. `grayscale` calls it.

A marker far above the chest, or a saturated background, would take the contrast from the chest. Such values
are left out where hardly any pixels lie between them and the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PARTS = 1000  # parts with equal numbers of pixels
_TAIL = 100  # one in so many of the remaining levels, at either end, may be noise
_BEYOND = 0.25  # share of the range without its tails by which the tails may widen it
_GAP = 0.67  # share of the chest's range: values separated by a wider gap are not part of the chest
_FEWEST_LEVELS = 16  # distinct levels of a chest; a background or a marker has fewer


def range_present(values: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[float, float] | None:
    """Return the lowest and the highest value to display, or None where all values are equal.

    Parameters
    ----------
    values
        float64: one for each bit pattern, in any order.
    counts
        Number of pixels with each bit pattern; shape as `values`.
    """
    shown = _without_what_lies_apart(_levels(values, counts))
    if not len(shown) or shown[0] == shown[-1]:
        return None
    tail = len(shown) // _TAIL
    low, high = shown[tail], shown[-1 - tail]
    if low == high:  # nearly all
        return float(shown[0]), float(shown[-1])
    beyond = (high - low) * _BEYOND
    return float(max(shown[0], low - beyond)), float(min(shown[-1], high + beyond))


def _levels(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the quantiles at `_PARTS` equal shares of the pixels, ascending, extremes included."""
    seen = np.flatnonzero(counts)
    if not len(seen):
        return np.empty(0)
    order = seen[np.argsort(values[seen], kind="stable")]
    below = np.cumsum(counts[order])
    places = np.minimum(np.arange(_PARTS + 1) * below[-1] // _PARTS, below[-1] - 1)
    levels: NDArray[np.float64] = values[order][np.searchsorted(below, places, side="right")]
    return levels


def _without_what_lies_apart(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    while len(levels) > 1:
        steps = np.diff(levels)
        widest = int(steps.argmax())
        chest = max(levels[: widest + 1], levels[widest + 1 :], key=_likely_a_chest)
        first, last = np.quantile(chest, (0.05, 0.95))
        if not _likely_a_chest(chest) or steps[widest] <= _GAP * (last - first):
            break
        levels = chest
    return levels


def _likely_a_chest(levels: NDArray[np.float64]) -> float:
    """Return the number of levels times their spread; 0 for fewer than `_FEWEST_LEVELS` values."""
    if len(np.unique(levels)) < _FEWEST_LEVELS:
        return 0.0
    first, last = np.quantile(levels, (0.25, 0.75))
    return len(levels) * float(last - first)

"""Colours the class activation map and its scale. `picture` and the viewer call it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gateway.results.colour_map import blended, coloured, levels

_SMALLEST_RANGE = 4.0  # log-odds of about 98 %: a map of weak values stays pale instead of being stretched
_ROUND = (1, 1.2, 1.4, 1.6, 2, 3, 4, 5, 6, 8, 10)
_SCALE_GREY = 96

FIXED_RANGE = 12.0
"""Value at both ends of the colour scale, in log-odds, where one colour is to mean one value in all maps."""

OUTLINE_COLOUR = (90, 230, 140)
"""Of the lungs, where `results.lung_outline` asks for their outline: no colour of the map."""


def map_range(activation: NDArray[np.float32]) -> float:
    """Return the value at both ends of the colour scale, in log-odds: a round number, at least 4."""
    largest = float(np.abs(activation).max(initial=0.0))
    if not math.isfinite(largest) or largest <= _SMALLEST_RANGE:
        return _SMALLEST_RANGE
    magnitude = 10.0 ** math.floor(math.log10(largest))
    return next(step * magnitude for step in _ROUND if step * magnitude >= largest)


def overlay(grey: NDArray[np.uint8], activation: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay an activation map over a grey image of any size; the map spans the whole image.

    Parameters
    ----------
    grey
        Shape (rows, columns), 0–255.
    activation
        Log-odds of the finding by region, signed, shape (n, n).

    Returns
    -------
    uint8, shape (rows, columns, 3), RGB.
    """
    rows, columns = grey.shape
    coarse = Image.fromarray(levels(activation / map_range(activation)))
    return blended(grey, coarse.resize((columns, rows), Image.Resampling.BILINEAR))


def coloured_map(
    activation: NDArray[np.float32],
    side: int,
    outlines: Iterable[Sequence[Sequence[float]]] = (),
    limit: float | None = None,
) -> NDArray[np.uint8]:
    """Return an activation map to be laid over an image of any shape: uint8, shape (side, side, 4), RGBA.

    `outlines` are closed polygons of (x, y), in shares of the image, and are drawn above the map. `limit` is
    the value at both ends of the colour scale, in log-odds; None: the map's own (`map_range`).
    """
    coarse = Image.fromarray(levels(activation / (limit or map_range(activation))))
    picture = Image.fromarray(coloured(np.asarray(coarse.resize((side, side), Image.Resampling.BILINEAR))))
    for outline in outlines:
        points = [(side * x, side * y) for x, y in outline]
        ImageDraw.Draw(picture).line([*points, points[0]], fill=OUTLINE_COLOUR, width=2)
    return np.asarray(picture)


@cache
def colour_scale(rows: int, columns: int) -> NDArray[np.uint8]:
    """Return the scale as it looks over grey, from −range on the left to +range on the right.

    uint8, shape (rows, columns, 3), RGB.
    """
    values = np.tile(np.linspace(-1, 1, columns, dtype=np.float32), (rows, 1))
    return blended(np.full((rows, columns), _SCALE_GREY, np.uint8), Image.fromarray(levels(values)))

"""Traces where the activation map is high, as closed polygons. `presentation_state` calls it."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Polygon = NDArray[np.float64]
_OuterOffset = tuple[list[NDArray[np.float64]], list[NDArray[np.uint32]]]

_GRID = 64  # of the map as it is laid over the image
_MOST_POINTS = 200


def contours(activation: NDArray[np.float32]) -> list[Polygon]:
    """Return the regions where the map is at least half of its maximum.

    Parameters
    ----------
    activation
        Log-odds of the finding by region, shape (n, n); the map spans the whole image.

    Returns
    -------
    Closed polygons, the first point repeated at the end, at most 200 points each: float64, shape (points, 2),
    (x, y) in shares of the image, 0 to 1. Empty where no region speaks for the finding.
    """
    from contourpy import FillType, contour_generator  # sandboxes that write no contours do not load it

    highest = float(activation.max(initial=0.0))
    if not 0 < highest < np.inf:
        return []
    smooth = Image.fromarray(activation.astype(np.float32)).resize((_GRID, _GRID), Image.Resampling.BILINEAR)
    heights = np.pad(np.asarray(smooth), 1, mode="edge")  # the map's outermost values reach the image's edges
    places = np.concatenate([[0.0], (np.arange(_GRID) + 0.5) / _GRID, [1.0]])
    generator = contour_generator(places, places, heights, fill_type=FillType.OuterOffset)
    points, offsets = cast("_OuterOffset", generator.filled(highest / 2, np.inf))
    return [
        _thinned(region[start:end])
        for region, ends in zip(points, offsets, strict=True)
        for start, end in pairwise(ends)
    ]


def _thinned(polygon: Polygon) -> Polygon:
    step = ceil((len(polygon) - 1) / (_MOST_POINTS - 1))
    return np.concatenate([polygon[:-1:step], polygon[:1]])

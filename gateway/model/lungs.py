"""Lungs: the region of the model's input that the classifier sees, from the mask of the lung network.

`predictor` and training call it, so that the classifier sees the same crop in both. A mask that does not
look like two lungs side by side crops nothing: the classifier sees the whole image, and the record says why.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gateway.records import Box, Lungs, Outline, WholeImage

MASK_SIDE = 112
MARGIN = 0.05  # of the box's height and width, added on each side

LEAST_PROBABILITY = 0.5
LEAST_OF_INPUT = 0.01  # share of the input: a smaller mask shows no lungs
LEAST_AREA, MOST_AREA = 0.05, 0.75  # share of the input that the lungs of a chest cover
LEAST_PART = 0.1  # area of the second largest part, by that of the largest
LEAST_SIDE = 0.15  # share of the mask on either side of the chest
DEEPEST_BRIDGE = 0.7  # rows at the column between the lungs, by those of the lower lung
LEAST_OVERLAP = 0.4  # rows that both lungs have, by those of the lower lung
LEAST_SOLIDITY = 0.6  # area of a lung by that of its convex hull
_MIDDLE = (0.2, 0.8)  # of the mask's width: where the column between the lungs lies

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Grey = TypeVar("Grey", NDArray[np.uint8], NDArray[np.float32])


def lung_input(images: Floats) -> Floats:
    """Return the input of the lung network, float32 (n, 1, 112, 112), from (n, 3, 224, 224): 2 x 2 means."""
    grey = images[:, 0].reshape(len(images), MASK_SIDE, 2, MASK_SIDE, 2)
    return grey.mean(axis=(2, 4), dtype=np.float32)[:, None]


def find_lungs(probabilities: Floats, margin: float = MARGIN) -> Lungs | WholeImage:
    """Return the lungs in the output of the lung network, or why there is no crop.

    Parameters
    ----------
    probabilities
        float32 (112, 112), 0-1: probability that a pixel shows lung.
    margin
        Share of the box's height and width that is added on each side.
    """
    if not np.isfinite(probabilities).all():
        return WholeImage("the lung network's output is not a number", empty=True)
    mask = _largest_parts(probabilities >= LEAST_PROBABILITY)
    coverage = float(mask.mean())
    if coverage < LEAST_OF_INPUT:
        return WholeImage("no lungs were found", empty=True)
    column = _between(mask)
    sides = _half(mask, slice(0, column)), _half(mask, slice(column, None))
    if doubt := _doubt(mask, coverage, column, sides):
        return WholeImage(doubt)
    hull = _enlarged_hull(mask, margin)
    return Lungs(_box(hull), coverage, (_outline(sides[0]), _outline(sides[1])), hull)


def crop(image: Grey, box: Box) -> Grey:
    """Return the part of a square grey image inside `box`, squashed to the size of the image.

    The interpolation is bilinear, between the centres of pixels; pixels beyond the box, inside the image,
    take part in it. `image` is uint8 or float32, (side, side), and so is the result.
    """
    side = len(image)
    edges = (box.left * side, box.top * side, box.right * side, box.bottom * side)
    cropped = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR, edges)
    return np.asarray(cropped)


def inside(hull: Outline, side: int) -> Mask:
    """Return which pixels of a square image lie inside `hull`: bool (side, side)."""
    drawn = Image.new("1", (side, side))
    ImageDraw.Draw(drawn).polygon([(x * side - 0.5, y * side - 0.5) for x, y in hull], fill=1)
    return np.asarray(drawn)


def _largest_parts(mask: Mask) -> Mask:
    """Return the largest part of `mask`, and the second where it is no speck; parts do not share an edge."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    along_rows, along_columns = _Runs(mask), _Runs(mask.T)
    while True:
        spread = along_columns.greatest(along_rows.greatest(labels).T).T
        if (spread == labels).all():
            break
        labels = spread
    names, areas = np.unique(labels[mask], return_counts=True)
    largest = np.argsort(areas)[-2:]
    kept = largest[areas[largest] >= LEAST_PART * areas.max(initial=0)]
    return np.isin(labels, names[kept]) & mask


class _Runs:
    """Runs of equal pixels along the rows of a mask."""

    def __init__(self, mask: Mask) -> None:
        begins = np.ones(mask.shape, bool)
        begins[:, 1:] = mask[:, 1:] != mask[:, :-1]
        self._starts = np.flatnonzero(begins)
        self._lengths = np.diff(self._starts, append=mask.size)

    def greatest(self, labels: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the greatest label of its run for each pixel."""
        return np.repeat(np.maximum.reduceat(labels.ravel(), self._starts), self._lengths).reshape(labels.shape)


def _between(mask: Mask) -> int:
    """Return the column between the lungs: the lowest near the middle of the mask, the middle one of equals."""
    heights = mask.sum(axis=0)
    seen = np.flatnonzero(heights)
    first, last = (round(seen[0] + part * (seen[-1] - seen[0])) for part in _MIDDLE)
    lowest = first + np.flatnonzero(heights[first : last + 1] == heights[first : last + 1].min())
    return int(lowest[len(lowest) // 2])


def _half(mask: Mask, columns: slice) -> Mask:
    half = np.zeros_like(mask)
    half[:, columns] = mask[:, columns]
    return half


def _doubt(mask: Mask, coverage: float, column: int, sides: tuple[Mask, Mask]) -> str | None:
    """Return why a mask does not show two lungs side by side, or None."""
    if not LEAST_AREA <= coverage <= MOST_AREA:
        return f"the lungs found cover {coverage:.0%} of the image"
    if min(side.sum() for side in sides) < LEAST_SIDE * mask.sum():
        return "a lung was found on one side alone"
    heights = mask.sum(axis=0)
    if heights[column] > DEEPEST_BRIDGE * min(heights[:column].max(), heights[column:].max()):
        return "the lungs found do not lie side by side"
    rows = [side.any(axis=1) for side in sides]
    if (rows[0] & rows[1]).sum() < LEAST_OVERLAP * min(each.sum() for each in rows):
        return "the lungs found do not lie side by side"
    if min(side.mean() / _area(_hull(side)) for side in sides) < LEAST_SOLIDITY:
        return "the lungs found have a ragged shape"
    return None


def _extents(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows with pixels, and for each the first column and the one after its last."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    return rows, first, last


def _outline(mask: Mask) -> Outline:
    """Return the polygon through the ends of the rows, in fractions."""
    rows, first, last = _extents(mask)
    centres = (rows + 0.5) / len(mask)
    down = zip(first / mask.shape[1], centres, strict=True)
    up = zip(last[::-1] / mask.shape[1], centres[::-1], strict=True)
    return _rounded([*down, *up])


def _enlarged_hull(mask: Mask, margin: float) -> Outline:
    """Return the convex hull of the mask and of its copies moved by the margin, clipped to the image."""
    hull = np.array(_hull(mask))
    width, height = margin * (hull.max(axis=0) - hull.min(axis=0))
    moved = [hull + (x, y) for x in (-width, width) for y in (-height, height)]
    return _convex(np.concatenate(moved).clip(0, 1))


def _hull(mask: Mask) -> Outline:
    """Return the convex hull of the corners of the mask's pixels, in fractions."""
    rows, first, last = _extents(mask)
    columns = np.concatenate([first, first, last, last]) / mask.shape[1]
    edges = np.concatenate([rows, rows + 1, rows, rows + 1]) / len(mask)
    return _convex(np.stack([columns, edges], axis=1))


def _convex(points: NDArray[np.float64]) -> Outline:
    """Return the convex hull of points (n, 2): Andrew's monotone chain."""
    ordered = sorted(set(map(tuple, points.tolist())))
    lower, upper = _chain(ordered), _chain(ordered[::-1])
    return _rounded([*lower[:-1], *upper[:-1]])


def _chain(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    chain: list[tuple[float, ...]] = []
    for point in points:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...]) -> float:
    """Return twice the signed area of a triangle."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _area(polygon: Outline) -> float:
    x, y = np.array(polygon).T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def _box(hull: Outline) -> Box:
    x, y = zip(*hull, strict=True)
    return Box(left=min(x), top=min(y), right=max(x), bottom=max(y))


def _rounded(points: list[tuple[float, ...]]) -> Outline:
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in points)

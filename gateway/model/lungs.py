"""Lungs: the part of the model's input that the classifier sees, by the mask of the lung network.

The predictor and training call it, so that the classifier sees the same crop in both. A mask that does not
look like two lungs side by side crops nothing: the classifier sees the whole image, and the record says why.
Edges lie between pixels, where the probability passes a half: a small change of the image moves them little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gateway.records import Box, Lungs, Outline, Region, WholeImage

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
_SMOOTHED, _KEPT = 6, 3  # corners that are averaged, and of which one is kept, along an outline
_STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))  # up, right, down, left
_AHEAD = ((1, 0), (1, 1), (0, 1), (0, 0))  # the pixel ahead on the right, in a mask padded by one
_ANGLES = np.linspace(0, 2 * np.pi, 64, endpoint=False)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_ONE_SIDED = "a lung was found on one side alone"
_STACKED = "the lungs found do not lie side by side"

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]
Grey = TypeVar("Grey", NDArray[np.uint8], NDArray[np.float32])
Cut = Literal["box", "hull"]


class Seen(NamedTuple):
    """The classifier's input, float32 (n, 3, 224, 224), and the region of each image that it shows."""

    images: Floats
    regions: tuple[Region | None, ...]


def lung_input(images: Floats) -> Floats:
    """Return the lung network's input, float32 (n, 1, 112, 112): 2 x 2 means of images (n, 3, 224, 224)."""
    grey = images[:, :1]
    rows = grey[:, :, ::2] + grey[:, :, 1::2]
    return np.asarray((rows[..., ::2] + rows[..., 1::2]) / 4, np.float32)


def show(images: Floats, regions: Sequence[Region], cut: Cut = "box") -> Seen:
    """Return what the classifier sees of n images, float32 (n, 3, 224, 224), -1 to 1.

    `hull` paints everything outside the hull of the lungs black before the image is cropped to the box.
    """
    seen = images.copy()
    for image, region in zip(seen, regions, strict=True):
        if isinstance(region, Lungs):
            grey = image[0]
            if cut == "hull":
                grey = np.where(inside(region.hull, len(grey)), grey, np.float32(-1))
            image[:] = crop(grey, region.box)
    return Seen(seen, tuple(regions))


def find_lungs(probabilities: Floats, margin: float = MARGIN) -> Region:
    """Return the lungs in the output of the lung network, or why there is no crop.

    Parameters
    ----------
    probabilities
        float32 (112, 112), 0-1: probability that a pixel shows lung.
    margin
        Share of the box's height and width that is added on each side.
    """
    if not np.isfinite(probabilities).all():
        return WholeImage("the output of the lung network is not a number", empty=True)
    parts = _largest_parts(probabilities >= LEAST_PROBABILITY)
    mask = np.any(parts, axis=0)
    if mask.mean() < LEAST_OF_INPUT:
        return WholeImage("no lungs were found in the image", empty=True)
    column = _between(mask)
    sides = _part(mask, slice(0, column)), _part(mask, slice(column, None))
    if doubt := _doubt(mask, len(parts), column, sides):
        return WholeImage(doubt)
    edges = _edges(probabilities, mask)
    hull = _rounded(_hull(edges, margin * np.ptp(edges, axis=0)), digits=6)
    outlines = _outline(sides[0]), _outline(sides[1])
    return Lungs(_box(hull), round(float(mask.mean()), 4), outlines, hull)


def crop(image: Grey, box: Box) -> Grey:
    """Return the part of a square grey image inside `box`, enlarged to the size of the image.

    The interpolation is bilinear between the centres of pixels; pixels just outside the box take part in it.
    `image` is uint8 or float32, (side, side), and so is the result.
    """
    side = len(image)
    edges = (box.left * side, box.top * side, box.right * side, box.bottom * side)
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR, edges))


def inside(outline: Outline, side: int) -> Mask:
    """Return which pixels of a square image lie inside a polygon: bool (side, side)."""
    drawn = Image.new("1", (side, side))
    ImageDraw.Draw(drawn).polygon([(x * side - 0.5, y * side - 0.5) for x, y in outline], fill=1)
    return np.asarray(drawn)


def _largest_parts(mask: Mask) -> list[Mask]:
    """Return the largest part of a mask, and the second where it is no speck; parts do not share an edge."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    along_rows, along_columns = _Runs(mask), _Runs(mask.T)
    while True:
        spread = along_columns.greatest(along_rows.greatest(labels).T).T
        if (spread == labels).all():
            break
        labels = spread
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    first, largest = int(areas.argmax()), int(areas.max())
    areas[first] = 0
    second = int(areas.argmax())
    kept = [first, second] if areas[second] >= max(1, LEAST_PART * largest) else [first]
    return [(labels == label) & mask for label in kept]


class _Runs:
    """Runs of equal pixels along the rows of a mask."""

    def __init__(self, mask: Mask) -> None:
        begins = np.ones(mask.shape, bool)
        begins[:, 1:] = mask[:, 1:] != mask[:, :-1]
        self._starts = np.flatnonzero(begins)
        self._lengths = np.diff(self._starts, append=mask.size)

    def greatest(self, labels: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return for each pixel the greatest label of its run."""
        greatest = np.maximum.reduceat(labels.ravel(), self._starts)
        return np.repeat(greatest, self._lengths).reshape(labels.shape)


def _between(mask: Mask) -> int:
    """Return the column between the lungs: the lowest near the middle of the mask, of equals the middle."""
    heights = mask.sum(axis=0)
    used = np.flatnonzero(heights)
    first, last = (round(used[0] + share * (used[-1] - used[0])) for share in _MIDDLE)
    middle = heights[first : last + 1]
    lowest = first + np.flatnonzero(middle == middle.min())
    return int(lowest[len(lowest) // 2])


def _part(mask: Mask, columns: slice) -> Mask:
    part = np.zeros_like(mask)
    part[:, columns] = mask[:, columns]
    return part


def _doubt(mask: Mask, parts: int, column: int, sides: tuple[Mask, Mask]) -> str | None:
    """Return why a mask does not show two lungs side by side, or None."""
    if not LEAST_AREA <= mask.mean() <= MOST_AREA:
        return f"the lungs found cover {100 * mask.mean():.0f} % of the image"
    heights = mask.sum(axis=0)
    lower = min(heights[:column].max(initial=0), heights[column:].max(initial=0))
    if heights[column] > DEEPEST_BRIDGE * lower:
        return _STACKED if parts > 1 else _ONE_SIDED
    if min(side.sum() for side in sides) < LEAST_SIDE * mask.sum():
        return _ONE_SIDED
    rows = [side.any(axis=1) for side in sides]
    if (rows[0] & rows[1]).sum() < LEAST_OVERLAP * min(each.sum() for each in rows):
        return _STACKED
    if min(side.mean() / _hull_area(side) for side in sides) < LEAST_SOLIDITY:
        return "the lungs found have a ragged shape"
    return None


def _hull_area(mask: Mask) -> float:
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    ends = [np.stack([x, y], axis=1) for x in (first, last) for y in (rows, rows + 1)]
    x, y = _hull(np.concatenate(ends) / len(mask)).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _edges(probabilities: Floats, mask: Mask) -> Points:
    """Return where rows and columns cross the edge of a mask: (x, y), float64 (n, 2), shares of the image."""
    y, left, right = _ends(probabilities, mask)
    x, top, bottom = _ends(probabilities.T, mask.T)
    pairs = ((left, y), (right, y), (x, top), (x, bottom))
    return np.concatenate([np.stack(pair, axis=1) for pair in pairs])


def _ends(probabilities: Floats, mask: Mask) -> tuple[NDArray[np.float64], ...]:
    """Return the centres of the rows that cross the mask, and where each enters and leaves it."""
    rows = np.flatnonzero(mask.any(axis=1))
    enters = _enters(probabilities[rows], mask[rows])
    leaves = mask.shape[1] - _enters(probabilities[rows, ::-1], mask[rows, ::-1])
    return (rows + 0.5) / len(mask), enters / mask.shape[1], leaves / mask.shape[1]


def _enters(probabilities: Floats, mask: Mask) -> NDArray[np.float64]:
    """Return where each row passes a half before its first pixel of the mask, or 0 at the border."""
    each, first = np.arange(len(mask)), mask.argmax(axis=1)
    here = probabilities[each, first].astype(np.float64)
    before = np.minimum(probabilities[each, first - 1], LEAST_PROBABILITY).astype(np.float64)
    passed = (here - LEAST_PROBABILITY) / np.maximum(here - before, 1e-6)
    return np.where(first > 0, first + 0.5 - passed.clip(0, 1), 0.0)


def _outline(mask: Mask) -> Outline:
    """Return the smoothed outline of the part of a mask that is in its widest row."""
    corners = np.array(_corners(mask), np.float64)
    smooth = np.mean([np.roll(corners, shift, axis=0) for shift in range(_SMOOTHED)], axis=0)
    return _rounded(smooth[::_KEPT] / len(mask), digits=4)


def _corners(mask: Mask) -> list[tuple[int, int]]:
    """Return the corners of pixels along an outline, (x, y), clockwise: the mask is always on the right."""
    row = int(mask.sum(axis=1).argmax())
    start = (int(mask[row].argmax()), row + 1)
    padded = np.pad(mask, 1).tolist()
    corners: list[tuple[int, int]] = []
    (x, y), heading = start, 0
    while not corners or (x, y) != start:
        corners.append((x, y))
        (right_x, right_y), (left_x, left_y) = _AHEAD[heading], _AHEAD[heading - 1]
        if not padded[y + right_y][x + right_x]:
            heading = (heading + 1) % 4
        elif padded[y + left_y][x + left_x]:
            heading = (heading - 1) % 4
        step_x, step_y = _STEPS[heading]
        x, y = x + step_x, y + step_y
    return corners


def _hull(points: Points, reach: Points | float = 0.0) -> Points:
    """Return the convex hull of points, enlarged by `reach` (x, y) on all sides, within the image.

    Its corners are the outermost points in 64 directions.
    """
    outermost = points[(points @ _DIRECTIONS).argmax(axis=0)]
    corners: Points = (outermost + reach * np.sign(_DIRECTIONS.T)).clip(0, 1)
    differs = (corners != np.roll(corners, 1, axis=0)).any(axis=1)
    return np.asarray(corners[differs])


def _box(hull: Outline) -> Box:
    x, y = zip(*hull, strict=True)
    return Box(left=min(x), top=min(y), right=max(x), bottom=max(y))


def _rounded(points: Points, digits: int) -> Outline:
    return tuple((round(x, digits), round(y, digits)) for x, y in points.tolist())

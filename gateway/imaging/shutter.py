"""Display shutter (PS3.3 C.7.6.11) and X-ray collimator (C.8.7.3): what lies outside becomes black."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from gateway.imaging import header

Mask = NDArray[np.bool_]
_EDGES = ("UpperHorizontalEdge", "LowerHorizontalEdge", "LeftVerticalEdge", "RightVerticalEdge")
_FARTHEST = 1e6  # pixels from the image; more is no place
_LEAST_VISIBLE = 0.1
"""The share of the image that one must leave: devices are known that write the edges in millimetres."""


def blacken_outside(ds: Dataset, pixels: NDArray[np.uint16]) -> tuple[str, ...]:
    """Set the pixels that shutter and collimator hide to 0, in place, and return the steps.

    Parameters
    ----------
    ds
        The image. Its coordinates start at 1.
    pixels
        uint16, shape (rows, columns), as stored: before any resampling.
    """
    steps: tuple[str, ...] = ()
    for kind in ("Shutter", "Collimator"):
        for shape, visible in _apertures(ds, kind, pixels.shape):
            steps += (_apply(f"{shape.lower()} {kind.lower()}", visible, pixels),)
    return steps


def _apply(name: str, visible: Mask, pixels: NDArray[np.uint16]) -> str:
    shown = visible.mean()
    if shown < _LEAST_VISIBLE:
        return f"{name} left out: it would hide {1 - shown:.0%} of the image"
    np.multiply(pixels, visible, out=pixels)
    return f"outside the {name} made black"


def _apertures(ds: Dataset, kind: str, size: tuple[int, ...]) -> Iterator[tuple[str, Mask]]:
    """Yield each readable shape and its mask; the mask broadcasts to `size`."""
    for shape in dict.fromkeys(header.code_strings(ds, f"{kind}Shape")):
        if shape == "RECTANGULAR":
            mask = _rectangle(ds, kind, size)
        elif shape == "CIRCULAR":
            mask = _circle(ds, kind, size)
        elif shape == "POLYGONAL":
            mask = _polygon(ds, kind, size)
        else:
            continue
        if mask is not None:
            yield shape, mask


def _rectangle(ds: Dataset, kind: str, size: tuple[int, ...]) -> Mask | None:
    edges = [_coordinates(ds, f"{kind}{name}")[:1] for name in _EDGES]
    if () in edges:
        return None
    upper, lower, left, right = (edge[0] for edge in edges)
    row, column = np.arange(1, size[0] + 1)[:, None], np.arange(1, size[1] + 1)
    return (row >= upper) & (row <= lower) & (column >= left) & (column <= right)


def _circle(ds: Dataset, kind: str, size: tuple[int, ...]) -> Mask | None:
    center = _coordinates(ds, f"CenterOfCircular{kind}")
    radius = _coordinates(ds, f"RadiusOfCircular{kind}")
    if len(center) != 2 or not radius:
        return None
    row = np.arange(1, size[0] + 1, dtype=np.float32)[:, None] - np.float32(center[0])
    column = np.arange(1, size[1] + 1, dtype=np.float32) - np.float32(center[1])
    return row**2 + column**2 <= np.float32(radius[0]) ** 2


def _polygon(ds: Dataset, kind: str, size: tuple[int, ...]) -> Mask | None:
    vertices = _coordinates(ds, f"VerticesOfThePolygonal{kind}")
    if len(vertices) < 6 or len(vertices) % 2:
        return None
    corners = [(column - 1, row - 1) for row, column in zip(vertices[::2], vertices[1::2], strict=True)]
    mask = Image.new("1", (size[1], size[0]))
    ImageDraw.Draw(mask).polygon(corners, fill=1, outline=1)
    return np.asarray(mask)


def _coordinates(ds: Dataset, keyword: str) -> tuple[float, ...]:
    values = header.numbers(ds, keyword)
    return values if all(abs(value) <= _FARTHEST for value in values) else ()

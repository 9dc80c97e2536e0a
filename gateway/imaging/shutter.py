"""Display shutter (PS3.3 C.7.6.11): pixels outside become black. `decode` calls it.

The X-ray collimator (C.8.7.3) is ignored, as in viewers: it describes the device, often in millimetres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.imaging.stored_values import Mask

_EDGES = (
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
)
_CIRCLE = ("CenterOfCircularShutter", "RadiusOfCircularShutter")
_VERTICES = "VerticesOfThePolygonalShutter"
_ATTRIBUTES = {"RECTANGULAR": _EDGES, "CIRCULAR": _CIRCLE, "POLYGONAL": (_VERTICES,)}
_FARTHEST = 1e6  # largest coordinate, in pixels, that is plausible
_LEAST_VISIBLE = 0.1
"""Share of the image that a shutter must leave visible: some devices write edges in millimetres."""


def inside_shutter(ds: Dataset, size: tuple[int, int]) -> tuple[Mask | None, tuple[str, ...]]:
    """Return the pixels inside the display shutter, and the steps in words; None where it hides nothing.

    Parameters
    ----------
    ds
        The image. Its coordinates start at 1.
    size
        Stored rows and columns, before any resampling.
    """
    visible: Mask | None = None
    steps: tuple[str, ...] = ()
    for _, aperture, step in _shutters(ds, size):
        if aperture is not None:
            visible = aperture if visible is None else aperture & visible
        steps += (step,)
    return visible, steps


def shutter_attributes(ds: Dataset, size: tuple[int, int]) -> Dataset:
    """Return the shutters that `inside_shutter` applies, as a presentation state states them (C.7.6.11)."""
    state = Dataset()
    shapes = [shape for shape, aperture, _ in _shutters(ds, size) if aperture is not None]
    for keyword in (keyword for shape in shapes for keyword in _ATTRIBUTES[shape]):
        values = [round(value) for value in _coordinates(ds, keyword)]
        setattr(state, keyword, values if len(values) > 1 else values[0])
    if shapes:
        state.ShutterShape = shapes if len(shapes) > 1 else shapes[0]
        state.ShutterPresentationValue = 0
    return state


def _shutters(ds: Dataset, size: tuple[int, int]) -> Iterator[tuple[str, Mask | None, str]]:
    """Yield each shape, its aperture or None where it is left out, and a step in words."""
    visible: Mask | None = None
    for shape in dict.fromkeys(header.code_strings(ds, "ShutterShape")):
        if shape not in _APERTURES:
            continue
        aperture = _APERTURES[shape](ds, size)
        if aperture is None:
            yield (
                shape,
                None,
                f"{shape.lower()} shutter left out: its attributes are incomplete or cannot be read",
            )
            continue
        both = aperture if visible is None else aperture & visible
        if both.mean() < _LEAST_VISIBLE:
            yield (
                shape,
                None,
                f"{shape.lower()} shutter left out: it would hide {1 - both.mean():.0%} of the image",
            )
            continue
        visible = both
        yield shape, aperture, f"outside the {shape.lower()} shutter made black"


def _rectangle(ds: Dataset, size: tuple[int, int]) -> Mask | None:
    edges = [_coordinates(ds, keyword)[:1] for keyword in _EDGES]
    if () in edges:
        return None
    upper, lower, left, right = (edge[0] for edge in edges)
    row, column = np.arange(1, size[0] + 1)[:, None], np.arange(1, size[1] + 1)
    return (row >= upper) & (row <= lower) & (column >= left) & (column <= right)


def _circle(ds: Dataset, size: tuple[int, int]) -> Mask | None:
    center, radius = (_coordinates(ds, keyword) for keyword in _CIRCLE)
    if len(center) != 2 or not radius:
        return None
    row = np.arange(1, size[0] + 1, dtype=np.float32)[:, None] - np.float32(center[0])
    column = np.arange(1, size[1] + 1, dtype=np.float32) - np.float32(center[1])
    return row**2 + column**2 <= np.float32(radius[0]) ** 2


def _polygon(ds: Dataset, size: tuple[int, int]) -> Mask | None:
    vertices = _coordinates(ds, _VERTICES)
    if len(vertices) < 6 or len(vertices) % 2:
        return None
    corners = [(column - 1, row - 1) for row, column in zip(vertices[::2], vertices[1::2], strict=True)]
    mask = Image.new("1", (size[1], size[0]))
    ImageDraw.Draw(mask).polygon(corners, fill=1, outline=1)
    return np.asarray(mask)


def _coordinates(ds: Dataset, keyword: str) -> tuple[float, ...]:
    values = header.numbers(ds, keyword)
    return values if all(abs(value) <= _FARTHEST for value in values) else ()


_APERTURES: dict[str, Callable[[Dataset, tuple[int, int]], Mask | None]] = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
}

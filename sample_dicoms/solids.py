"""Simple solids and the path lengths of parallel X-rays through them. The phantom is built from them.

Coordinates are patient-based, in millimetres: x to the patient's left, y to the back, z to the head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """Position, size and pixels of the detector, and the direction of the beam.

    Attributes
    ----------
    rows, columns
        Detector matrix.
    spacing
        Pixel pitch, mm.
    left, top
        Patient coordinate of the first column (x or y) and of the first row (z), mm.
    across, along
        Patient axis along a row, and patient axis of the beam (0 for x, 1 for y).
    """

    rows: int
    columns: int
    spacing: float
    left: float
    top: float
    across: int = 0
    along: int = 1

    @property
    def u(self) -> Array:
        """Position of each column along a row, mm, shape (1, columns)."""
        return self.left + self.spacing * np.arange(self.columns, dtype=np.float64)[np.newaxis, :]

    @property
    def z(self) -> Array:
        """Height of each row, mm, shape (rows, 1)."""
        return self.top - self.spacing * np.arange(self.rows, dtype=np.float64)[:, np.newaxis]


class Solid(Protocol):
    """A convex body: each ray crosses it at most once."""

    def crossing(self, view: View) -> tuple[Array, Array]:
        """Return entry and exit of each ray, mm, shape (rows, columns); equal where a ray misses."""
        ...


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, rotated about x, then y, then z by `turn` degrees."""

    centre: Vector
    semi_axes: Vector
    turn: Vector = (0.0, 0.0, 0.0)

    def crossing(self, view: View) -> tuple[Array, Array]:
        q = self._quadric()
        u, z = view.u - self.centre[view.across], view.z - self.centre[2]
        a = q[view.along, view.along]
        b = q[view.along, view.across] * u + q[view.along, 2] * z
        c = q[view.across, view.across] * u**2 + 2 * q[view.across, 2] * u * z + q[2, 2] * z**2 - 1
        half = np.sqrt(np.maximum(b**2 - a * c, 0)) / a
        middle = self.centre[view.along] - b / a
        return middle - half, middle + half

    def _quadric(self) -> Array:
        rotation = np.eye(3)
        for axis, degrees in enumerate(self.turn):
            rotation = _rotation(axis, degrees) @ rotation
        scaled = rotation / np.asarray(self.semi_axes)
        quadric: Array = scaled @ scaled.T
        return quadric


@dataclass(frozen=True)
class Stack:
    """Superellipses stacked along z: a torso, a lung.

    Each section is (z, centre x, centre y, half width, half depth), mm, from the feet upwards. Between
    sections the outline is smooth, or straight if `edged`.
    """

    sections: Sequence[tuple[float, float, float, float, float]]
    exponent: float = 2.0
    edged: bool = False

    def at(self, z: Array) -> Array:
        """Return centre x, centre y, half width and half depth at each height, shape (4, n)."""
        table = np.asarray(self.sections)
        if self.edged:
            return np.stack([np.interp(z, table[:, 0], column, 0, 0) for column in table[:, 1:].T])
        return smooth_curve(table[:, 0], table[:, 1:], z).T

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Return bool (n,): whether each of the points, shape (n, 3), lies inside."""
        sections = self.at(points[:, 2])
        aside = np.abs(points[:, :2].T - sections[:2]) / np.maximum(sections[2:], 1e-9)
        inside: NDArray[np.bool_] = (aside**self.exponent).sum(axis=0) < 1
        return inside

    def crossing(self, view: View) -> tuple[Array, Array]:
        sections = self.at(view.z[:, 0])[:, :, np.newaxis]
        centre, half = sections[:2], np.maximum(sections[2:], 1e-9)
        aside = np.abs(view.u - centre[view.across]) / half[view.across]
        depth = half[view.along] * np.maximum(1 - aside**self.exponent, 0) ** (1 / self.exponent)
        return centre[view.along] - depth, centre[view.along] + depth


def smooth_curve(knots: Array, values: Array, at: Array) -> Array:
    """Interpolate rows of `values` by cubic Hermite pieces; zero outside the knots."""
    slopes = np.gradient(values, knots, axis=0)
    piece = np.clip(np.searchsorted(knots, at) - 1, 0, len(knots) - 2)
    step = (knots[piece + 1] - knots[piece])[:, np.newaxis]
    t = (at - knots[piece])[:, np.newaxis] / step
    h = 3 * t**2 - 2 * t**3
    curve = (
        (1 - h) * values[piece]
        + h * values[piece + 1]
        + (t**3 - 2 * t**2 + t) * step * slopes[piece]
        + (t**3 - t**2) * step * slopes[piece + 1]
    )
    curve[(at < knots[0]) | (at > knots[-1])] = 0
    return curve


def united_length(solids: Iterable[Solid], view: View, within: Solid | None = None) -> Array:
    """Return the length of each ray inside any of the solids, mm, counted once where they overlap."""
    crossings = [_clip(solid.crossing(view), within, view) for solid in solids]
    enter = np.stack([crossing[0] for crossing in crossings])
    leave = np.stack([crossing[1] for crossing in crossings])
    order = np.argsort(enter, axis=0)
    enter, leave = np.take_along_axis(enter, order, 0), np.take_along_axis(leave, order, 0)
    reached = np.maximum.accumulate(leave, axis=0)
    fresh = np.concatenate([enter[:1], np.maximum(enter[1:], reached[:-1])])
    length: Array = np.maximum(leave - fresh, 0).sum(axis=0)
    return length


def _clip(crossing: tuple[Array, Array], within: Solid | None, view: View) -> tuple[Array, Array]:
    if within is None:
        return crossing
    enter, leave = within.crossing(view)
    return np.maximum(crossing[0], enter), np.minimum(crossing[1], leave)


def _rotation(axis: int, degrees: float) -> Array:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rotation = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rotation[i, i], rotation[i, j], rotation[j, i], rotation[j, j] = cos, -sin, sin, cos
    return rotation

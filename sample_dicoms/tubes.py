"""Bent rods of varying radius and the path lengths of parallel X-rays through them: ribs and vessels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sample_dicoms.solids import Array, Vector, View, smooth_curve


@dataclass(frozen=True)
class Tube:
    """A bent rod of varying radius through given points, mm.

    `flatten` scales the radius along x, y and z.
    """

    points: Sequence[tuple[float, ...]]
    radii: Sequence[float]
    flatten: Vector = (1.0, 1.0, 1.0)

    def thinner(self, by: float) -> Tube:
        """Return the tube inside a wall of thickness `by`, mm."""
        return Tube(self.points, [max(radius - by, 0.1) for radius in self.radii], self.flatten)


def tube_length(tubes: Iterable[Tube], view: View) -> Array:
    """Return the path length of each ray through the tubes, mm; overlaps add up.

    A tube is approximated by overlapping ellipsoids of its volume, for any direction of the beam.
    """
    blobs = [_blobs(tube, view.spacing) for tube in tubes]
    centres, axes, weights = (np.concatenate(part) for part in zip(*blobs, strict=True))
    length = np.zeros(view.rows * view.columns)
    reach = np.ceil(axes[:, [view.across, 2]].max(axis=1) / view.spacing).astype(int)
    for size in np.unique(reach):
        for chunk in np.array_split(
            np.flatnonzero(reach == size), 1 + (reach == size).sum() * size**2 // 200_000
        ):
            _lay(length, view, size, centres[chunk], axes[chunk], weights[chunk])
    return length.reshape(view.rows, view.columns)


def _lay(length: Array, view: View, size: int, centres: Array, axes: Array, weights: Array) -> None:
    column = (centres[:, view.across] - view.left) / view.spacing
    row = (view.top - centres[:, 2]) / view.spacing
    offsets = np.arange(-size, size + 1)
    columns = np.round(column).astype(int)[:, np.newaxis, np.newaxis] + offsets
    rows = np.round(row).astype(int)[:, np.newaxis, np.newaxis] + offsets[:, np.newaxis]
    columns, rows = np.broadcast_arrays(columns, rows)
    u = (columns - column[:, np.newaxis, np.newaxis]) * view.spacing
    z = (rows - row[:, np.newaxis, np.newaxis]) * view.spacing
    a, along, c = (axes[:, i, np.newaxis, np.newaxis] for i in (view.across, view.along, 2))
    chord = 2 * along * np.sqrt(np.maximum(1 - (u / a) ** 2 - (z / c) ** 2, 0))
    chord *= weights[:, np.newaxis, np.newaxis]
    seen = (rows >= 0) & (rows < view.rows) & (columns >= 0) & (columns < view.columns)
    length += np.bincount(
        rows[seen] * view.columns + columns[seen], weights=chord[seen], minlength=length.size
    )


def _blobs(tube: Tube, pixel: float) -> tuple[Array, Array, Array]:
    """Return centres, semi-axes and weights of the blobs that make up a tube."""
    points = np.asarray(tube.points, dtype=float)
    legs = np.linalg.norm(np.diff(points, axis=0), axis=1)
    knots = np.concatenate([[0.0], np.cumsum(legs)])
    count = max(2, int(np.ceil(knots[-1] / max(pixel, min(tube.radii) / 8))))
    step = knots[-1] / count
    at = (np.arange(count) + 0.5) * step
    centres = smooth_curve(knots, points, at)
    true = np.interp(at, knots, tube.radii)[:, np.newaxis] * np.asarray(tube.flatten)
    axes = np.maximum(true, 1.2 * pixel)  # thinner tubes become one pixel wide and less dense
    heading = np.gradient(centres, axis=0)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    reach = 1 / np.sqrt(((heading / true) ** 2).sum(axis=1))
    weights = 0.75 * step / reach * true.prod(axis=1) / axes.prod(axis=1)
    return centres, axes, weights

"""The lungs of the phantom: outline, airways and vessels. `thorax` projects them."""

from __future__ import annotations

from functools import cache

import numpy as np

from sample_dicoms.solids import Array, Stack
from sample_dicoms.tubes import Tube

SIDES = (-1, 1)  # the patient's right and left
HILAR_FAN = ((0.35, 1.0), (0.8, 0.7), (1.0, 0.1), (0.9, -0.5), (0.6, -0.9), (0.3, -1.0), (0.2, -1.2))  # x, z


def lung_of(side: int) -> Stack:
    """Return one pleural cavity; `thorax` subtracts heart, mediastinum and diaphragm."""
    outlines = [  # z, inner and outer distance from the midline, centre y, half depth
        (-66, 70, 136, 40, 36),
        (-30, 22, 142, 14, 74),
        (30, 8, 143, 4, 88),
        (90, 8, 136, 2, 90),
        (140, 8, 131, 6, 84),
        (180, 9, 117, 12, 72),
        (208, 12, 98, 20, 54),
        (228, 17, 78, 26, 36),
        (240, 26, 60, 28, 18),
        (246, 42, 44, 28, 1),
    ]
    return Stack(
        [
            (z, side * (inner + outer) / 2, y, (outer - inner) / 2, depth)
            for z, inner, outer, y, depth in outlines
        ],
        exponent=2.4,
    )


def airways() -> list[Tube]:
    """Return trachea and main bronchi, filled with air."""
    return [
        Tube([(0, -4, 300), (0, 8, 250), (-1, 16, 200), (-3, 20, 156)], [9, 9.5, 9.5, 9], (1, 1, 1)),
        Tube([(-3, 20, 158), (-16, 20, 140), (-34, 20, 124)], [6.5, 6.5, 5]),
        Tube([(-2, 20, 156), (18, 22, 142), (42, 24, 128)], [6, 5.5, 4.5]),
    ]


@cache
def vessel_trees(seed: int) -> list[Tube]:
    """Grow the arteries and veins of both lungs."""
    rng = np.random.default_rng(seed)
    return [vessel for side in SIDES for vessel in _vessel_tree(rng, side)]


def _vessel_tree(rng: np.random.Generator, side: int) -> list[Tube]:
    """Grow vessels from the hilum, fork by fork, until they reach the pleura or become invisible."""
    lung = lung_of(side)
    heading = _unit(np.array([(side * x, y, z) for x, z in HILAR_FAN for y in (-0.5, 0.1, 0.6)]))
    start = np.array([side * 40.0, 14.0, 122.0]) + rng.normal(0, 5, heading.shape)
    radius = rng.uniform(3.4, 4.8, len(heading))
    trunk = [
        (side * 36.0, 14.0, 140.0),
        (side * 46.0, 16.0, 122.0),
        (side * 52.0, 20.0, 96.0),
        (side * 56.0, 26.0, 70.0),
    ]
    vessels = [Tube(trunk, [7, 7.5, 6, 3.5])]
    while len(start):
        length = rng.uniform(5.5, 10, len(start)) * radius**0.6 + 3
        heading = _unit(heading + rng.normal(0, 0.08, heading.shape))
        end = start + heading * length[:, np.newaxis]
        vessels += [
            Tube((tuple(a), tuple(b)), (r, r * 0.92)) for a, b, r in zip(start, end, radius, strict=True)
        ]
        heading, narrower = _fork(rng, heading, radius)
        start = np.concatenate([end, end])
        goes_on = (narrower > 0.4) & lung.contains(start)
        start, heading, radius = start[goes_on], heading[goes_on], narrower[goes_on]
    return vessels


def _fork(rng: np.random.Generator, heading: Array, radius: Array) -> tuple[Array, Array]:
    """Return headings and radii of both branches of each vessel: all first ones, then all second ones."""
    aside = rng.normal(0, 1, heading.shape)
    aside = _unit(aside - heading * (aside * heading).sum(axis=1, keepdims=True))
    shares = np.concatenate([rng.uniform(0.74, 0.9, len(radius)), rng.uniform(0.5, 0.85, len(radius))])
    turn = rng.uniform(0.18, 0.3, len(shares)) / shares
    way = np.concatenate([heading, heading]) + turn[:, np.newaxis] * np.concatenate([aside, -aside])
    return _unit(way), 0.93 * shares * np.concatenate([radius, radius])


def _unit(vectors: Array) -> Array:
    length: Array = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / length

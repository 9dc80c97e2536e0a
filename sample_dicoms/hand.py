"""A left hand of simple solids, palm on the detector. `samples` projects it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from sample_dicoms.radiograph import Paths
from sample_dicoms.solids import Ellipsoid, Solid, View, united_length
from sample_dicoms.tubes import Tube, tube_length

Point = tuple[float, float]  # x, z

FINGERS: dict[str, tuple[Point, ...]] = {  # from the wrist to the tip, joint by joint
    "thumb": ((30, 16), (54, 50), (70, 82), (80, 108)),
    "index": ((14, 24), (25, 88), (31, 130), (34, 156), (35, 176)),
    "middle": ((2, 25), (3, 91), (4, 137), (4, 167), (4, 188)),
    "ring": ((-9, 23), (-17, 84), (-23, 126), (-26, 154), (-28, 174)),
    "little": ((-19, 19), (-36, 74), (-46, 108), (-51, 127), (-54, 145)),
}
CARPALS = (
    Ellipsoid((14, 0, -4), (11, 8, 7), (0, 25, 0)),
    Ellipsoid((-1, 0, -5), (9, 8, 7)),
    Ellipsoid((-15, 0, -1), (8, 7, 7)),
    Ellipsoid((-19, 3, 3), (5, 5, 5)),
    Ellipsoid((23, 0, 9), (8, 7, 6), (0, -20, 0)),
    Ellipsoid((13, 0, 13), (6, 7, 6)),
    Ellipsoid((2, 0, 11), (8, 8, 11)),
    Ellipsoid((-11, 0, 11), (8, 8, 8), (0, 30, 0)),
)
PALM: tuple[Solid, ...] = (
    Ellipsoid((-4, 0, 52), (44, 15, 46)),
    Ellipsoid((26, 0, 36), (26, 15, 38), (0, 28, 0)),
    Ellipsoid((0, 0, -10), (33, 19, 46)),
    Ellipsoid((0, 0, -60), (31, 23, 90)),
)


def hand_paths(view: View) -> Paths:
    """Return the path lengths through the hand, mm, shape (rows, columns)."""
    tissue = united_length([*PALM, *_flesh()], view)
    bones = [bone for joints in FINGERS.values() for bone in _bones(joints)]
    bones += [
        Tube([(18, 0, -16), (17, 0, -26), (16, 0, -50), (15, 0, -120)], [11, 12, 7.5, 6.5]),
        Tube([(-16, 0, -17), (-15, 0, -26), (-14, 0, -50), (-13, 0, -120)], [6.5, 7, 5, 5]),
    ]
    bone = tube_length(bones, view) - 0.7 * tube_length([bone.thinner(1.3) for bone in bones], view)
    carpals = 0.4 * sum((united_length([carpal], view) for carpal in CARPALS), np.zeros_like(bone))
    nothing = np.zeros_like(bone)
    return Paths(tissue=tissue, lung=nothing, bone=bone + carpals, marker=nothing)


def _bones(joints: tuple[Point, ...]) -> Iterator[Tube]:
    for number, ((x0, z0), (x1, z1)) in enumerate(pairwise(joints)):
        scale = 1 - 0.16 * number
        path = [(x0 + (x1 - x0) * t, 0.0, z0 + (z1 - z0) * t) for t in (0.07, 0.15, 0.5, 0.85, 0.94)]
        yield Tube(path, [6.4 * scale, 6.6 * scale, 4.0 * scale, 5.6 * scale, 5.4 * scale])


def _flesh() -> Iterator[Solid]:
    for joints in FINGERS.values():
        for number, ((x0, z0), (x1, z1)) in enumerate(pairwise(joints)):
            length, angle = np.hypot(x1 - x0, z1 - z0), np.degrees(np.arctan2(x1 - x0, z1 - z0))
            girth = 11.5 - 0.8 * number
            middle = ((x0 + x1) / 2, 0.0, (z0 + z1) / 2)
            yield Ellipsoid(middle, (girth, girth - 1.5, length * 0.72), (0, float(angle), 0))
            yield Ellipsoid((x1, 0.0, z1), (girth - 1.2, girth - 2.2, girth), (0, float(angle), 0))

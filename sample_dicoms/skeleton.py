"""The bones of the phantom's trunk: ribs, sternum, shoulders and spine. `thorax` projects them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sample_dicoms.lungs import SIDES, lung_of
from sample_dicoms.solids import Array, Stack, Vector, View, united_length
from sample_dicoms.tubes import Tube, tube_length

VERTEBRA_PITCH = 22.5


def tubular_bones(shoulders: bool) -> Iterator[tuple[Tube, float]]:
    """Yield every tubular bone with its wall thickness, mm."""
    for side in SIDES:
        yield from ((rib(side, number), 1.8) for number in range(1, 13))
        yield clavicle(side), 1.4
        if shoulders:
            yield from shoulder_blade(side)
            yield humerus(side), 3.0
    yield Tube([(0, -92, 200), (0, -100, 160), (0, -104, 90)], [12, 11, 11], (1.3, 0.5, 1)), 1.0


def vertebra_z(number: int) -> float:
    """Return the z of a vertebra, mm: 1–12 are thoracic, 13 and above lumbar, 0 and below cervical."""
    return 238 - VERTEBRA_PITCH * (number - 1)


def rib(side: int, number: int) -> Tube:
    """Return a rib from its vertebra along the chest wall to its cartilage."""
    start, drop = vertebra_z(number) + 4 + 2 * side, 22 + 9.0 * min(number, 8)
    end = {1: 150, 2: 150, 11: 95, 12: 70}.get(number, 146 - 2 * max(number - 6, 0))
    angles = np.radians(np.linspace(16, end, 24))
    height = start + 5 * np.sin(np.minimum(angles * 2.4, np.pi)) - drop * (1 - np.cos(angles)) / 2
    x, y, width, depth = lung_of(1).at(np.clip(height, -40, 224))
    outer, margin = x + width, 4.0
    points = [
        (side * float((o + margin) * np.sin(a) ** 0.82), float(c + (d + margin) * np.cos(a)), float(z))
        for a, z, o, c, d in zip(angles, height, outer, y, depth, strict=True)
    ]
    return Tube(points, [5.7 if number < 11 else 4.2] * len(points), (0.66, 0.66, 1.05))


def clavicle(side: int) -> Tube:
    path: list[Vector] = [(16, -72, 204), (48, -76, 213), (88, -58, 224), (128, -24, 233), (162, 6, 234)]
    return Tube([(side * x, y, z) for x, y, z in path], [8.5, 6, 5.4, 5.6, 7])


def shoulder_blade(side: int) -> Iterator[tuple[Tube, float]]:
    """Yield the borders and the blade of a scapula rotated out of the lung fields."""
    upper, lower, socket = np.array([112, 88, 222]), np.array([146, 92, 84]), np.array([168, 40, 196])
    below, above = np.array([170, 40, 182]), np.array([170, 40, 212])
    yield _line(side, upper, lower, 2.4), 1.0
    yield _line(side, lower, socket, 4.6), 1.6
    yield _line(side, below, above, 9), 1.6
    yield _line(side, upper, above, 2.2), 0.9
    yield _line(side, np.array([120, 92, 204]), np.array([180, 30, 236]), 5.0), 1.4  # spine and acromion
    yield _line(side, np.array([156, 30, 210]), np.array([166, 0, 218]), 5.5), 1.4  # coracoid
    for share in np.linspace(0.05, 0.95, 40):
        yield _line(side, upper + share * (lower - upper), socket + share * (lower - socket), 1.5), 0.25


def humerus(side: int) -> Tube:
    path: list[Vector] = [
        (184, 20, 216),
        (188, 20, 196),
        (194, 20, 172),
        (204, 20, 130),
        (222, 20, 60),
        (240, 20, -10),
    ]
    return Tube([(side * x, y, z) for x, y, z in path], [21, 24, 16, 11.5, 11, 11])


def spine_length(view: View) -> Array:
    """Return the length of compact bone in the vertebrae, mm; shape (rows, columns)."""
    arches = [part for number in range(-3, 17) for part in _arch(vertebra_z(number), 14 + 0.25 * number)]
    column = united_length([_column(wall=0)], view) - 0.8 * united_length([_column(wall=1.0)], view)
    return 0.6 * column + 0.4 * tube_length(arches, view)


def _arch(z: float, width: float) -> Iterator[Tube]:
    """Pedicle, lamina and joint of either side, transverse processes, spinous process."""
    y = _spine_y(z)
    for side in SIDES:
        yield Tube([(side * (width - 4), y + 12, z + 3), (side * (width - 3), y + 26, z + 2)], [4.6, 4.2])
        yield Tube([(side * 10, y + 28, z + 2), (side * (width + 16), y + 34, z + 7)], [4, 3.2])
        yield Tube([(side * 8, y + 28, z + 8), (side * 10, y + 32, z - 12)], [4, 3.6])
    yield Tube([(0, y + 32, z), (0, y + 44, z - 14)], [3.4, 3.4])


def _spine_y(z: float) -> float:
    """Return the y of the vertebral bodies at `z`, mm: the curve of the spine."""
    return float(np.interp(z, (-130, -40, 110, 200, 330), (44, 54, 64, 50, 20)))


def _column(wall: float) -> Stack:
    """Return the vertebral bodies, waisted and with flat ends, or their inside when there is a wall."""
    levels = ((-9.0, 0.0), (-8.6, 1.0), (-5.0, 0.97), (0.0, 0.9), (5.0, 0.97), (8.6, 1.0), (9.0, 0.0))
    sections = []
    for number in range(16, -4, -1):
        width = 14 + 0.25 * number - wall
        for height, wide in levels:
            z = vertebra_z(number) + height * (1 - 0.08 * wall)
            sections.append((z, 0.0, _spine_y(z), width * wide, (width - 1) * wide))
    return Stack(sections, exponent=2.6, edged=True)


def _line(side: int, start: Array, end: Array, radius: float) -> Tube:
    mirror = np.array([side, 1, 1])
    return Tube([tuple(start * mirror), tuple(end * mirror)], [radius, radius])

"""Computes radiographs of other body parts: limbs, joints, skulls, pelvises, abdomens and lateral chests.

`negatives` calls it. Bones are tubes and shells in soft tissue; every draw comes from the given generator.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float64]  # (side, side): absorption along each ray


def bones(rng: np.random.Generator, side: int) -> Depth:
    """Return the radiograph of a random body part other than the chest; 0 to about 1, dense is bright."""
    canvas = RayGrid(rng, side)
    return _seen(_PARTS[int(rng.integers(len(_PARTS)))](rng, canvas), rng)


class RayGrid:
    """A square grid of rays, coordinates -1 to 1, rotated and scaled at random; methods return depths."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        angle, zoom = (
            rng.normal(0, 0.25) + rng.integers(4) * np.pi / 2 * (rng.random() < 0.3),
            rng.uniform(0.8, 1.3),
        )
        self.x = (columns * np.cos(angle) + rows * np.sin(angle)) * zoom + rng.normal(0, 0.12)
        self.y = (rows * np.cos(angle) - columns * np.sin(angle)) * zoom + rng.normal(0, 0.12)

    def tube(self, start: tuple[float, float], end: tuple[float, float], r0: float, r1: float) -> Depth:
        """Return a solid rod from `start` to `end`; its radius changes from `r0` to `r1`."""
        (ax, ay), (bx, by) = start, end
        length = (bx - ax) ** 2 + (by - ay) ** 2
        along = np.clip(((self.x - ax) * (bx - ax) + (self.y - ay) * (by - ay)) / length, 0, 1)
        apart = np.hypot(self.x - ax - along * (bx - ax), self.y - ay - along * (by - ay))
        radius = r0 + along * (r1 - r0)
        return cast(Depth, 2 * np.sqrt(np.maximum(radius**2 - apart**2, 0)))

    def bone(self, start: tuple[float, float], end: tuple[float, float], radius: float) -> Depth:
        """Return a hollow rod with thicker ends, dense at its edges."""
        shell = self.tube(start, end, radius, radius) - 0.8 * self.tube(
            start, end, radius * 0.7, radius * 0.7
        )
        heads = self.ball(start, 1.4 * radius, 1.4 * radius) + self.ball(end, 1.4 * radius, 1.4 * radius)
        return 4 * np.maximum(shell, 0.6 * heads)

    def ball(self, centre: tuple[float, float], rx: float, ry: float) -> Depth:
        """Return an ellipsoid."""
        inside = 1 - ((self.x - centre[0]) / rx) ** 2 - ((self.y - centre[1]) / ry) ** 2
        return cast(Depth, 2 * min(rx, ry) * np.sqrt(np.maximum(inside, 0)))


def _hand(rng: np.random.Generator, canvas: RayGrid) -> Depth:
    depth = canvas.ball((0, 0.45), 0.38, 0.42)
    for finger in range(5):
        angle = (finger - 2) * rng.uniform(0.16, 0.3)
        reach = rng.uniform(0.75, 1.0) * (0.7 if finger in (0, 4) else 1)
        joints = [
            (np.sin(angle) * r * 1.1, 0.55 - np.cos(angle) * r) for r in np.linspace(0.2, 1, 5) * reach * 1.3
        ]
        depth = np.maximum(depth, canvas.tube(joints[0], joints[-1], 0.12, 0.07))
        for a, b in pairwise(joints):
            depth = depth + canvas.bone(a, b, 0.035)
    return depth


def _limb(rng: np.random.Generator, canvas: RayGrid) -> Depth:
    """A forearm or lower leg: one or two long bones."""
    depth = canvas.tube((0, -1.5), (0, 1.5), rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.5))
    for x in [0.0] if rng.random() < 0.4 else [-0.15, 0.15]:
        depth = depth + canvas.bone((x, -1.4), (x + rng.normal(0, 0.05), 1.4), rng.uniform(0.06, 0.13))
    return depth


def _joint(rng: np.random.Generator, canvas: RayGrid) -> Depth:
    """A knee, an elbow or a hip: two bones that meet at an angle."""
    bend, radius = rng.normal(0, 0.5), rng.uniform(0.12, 0.2)
    upper, lower = (np.sin(bend) * 1.6, -1.6), (0.0, 1.6)
    flesh = np.maximum(canvas.tube(upper, (0, 0), 0.5, 0.42), canvas.tube((0, 0), lower, 0.42, 0.35))
    gap = (0.0, radius * 3)
    return flesh + canvas.bone(upper, (0, 0), radius) + canvas.bone(gap, lower, radius)


def _skull(rng: np.random.Generator, canvas: RayGrid) -> Depth:
    width, height = rng.uniform(0.6, 0.85), rng.uniform(0.75, 0.95)
    shell = canvas.ball((0, 0), width, height) - 0.93 * canvas.ball((0, 0), width * 0.93, height * 0.94)
    depth = 0.5 * canvas.ball((0, 0), width, height) + 6 * np.maximum(shell, 0)
    for x in (-0.3, 0.3):
        depth = depth - 0.8 * canvas.ball((x * width, 0.25), 0.17, 0.15)
    jaw = canvas.tube((-0.4 * width, 0.75), (0.4 * width, 0.75), 0.12, 0.12)
    neck = canvas.tube((0, 0.8), (0, 1.5), 0.3, 0.35)
    return cast(Depth, np.maximum(depth, 0) + 2 * jaw + neck)


def _pelvis(rng: np.random.Generator, canvas: RayGrid) -> Depth:
    depth = canvas.ball((0, 0), 1.3, 1.1) + 2 * canvas.tube((0, -1.5), (0, -0.2), 0.13, 0.15)
    for side in (-1, 1):
        wing = canvas.ball((side * 0.5, -0.25), 0.36, 0.42)
        depth = depth + 1.5 * wing - 0.8 * canvas.ball((side * 0.28, 0.3), 0.17, 0.14)
        depth = depth + 2 * canvas.ball((side * 0.72, 0.3), 0.16, 0.16)
        depth = depth + canvas.bone((side * 0.75, 0.35), (side * rng.uniform(0.8, 0.95), 1.6), 0.11)
    return np.maximum(depth, 0)


def _belly(rng: np.random.Generator, canvas: RayGrid) -> Depth:
    """Soft tissue with a spine and bubbles of gas."""
    depth = 1.2 * canvas.ball((0, 0), rng.uniform(0.9, 1.3), 1.6)
    for y in np.arange(-1.4, 1.4, 0.24):
        depth = depth + 1.5 * canvas.ball((0, y), 0.15, 0.1)
    for _ in range(int(rng.integers(5, 18))):
        x, y, r = rng.uniform(-0.7, 0.7), rng.uniform(-0.8, 0.9), rng.uniform(0.05, 0.2)
        depth = depth - 1.5 * canvas.ball((x, y), r * rng.uniform(1, 2), r)
    return np.maximum(depth, 0)


def lateral_chest(rng: np.random.Generator, side: int) -> Depth:
    """Return the radiograph of a chest seen from the side, 0 to about 1."""
    canvas = RayGrid(rng, side)
    body = canvas.ball((0, 0.1), rng.uniform(0.65, 0.85), 1.6)
    lung = canvas.ball((rng.normal(0, 0.03), -0.05), rng.uniform(0.42, 0.55), rng.uniform(0.65, 0.85))
    depth = body - rng.uniform(0.8, 1.1) * lung
    depth = depth + rng.uniform(0.7, 1.2) * canvas.ball((-0.22, 0.25), 0.27, 0.32)  # heart
    for x in (-0.08, 0.1):  # both domes of the diaphragm
        depth = depth + 0.7 * canvas.ball((x, rng.uniform(0.95, 1.1)), 0.6, 0.45)
    bow = rng.uniform(0.02, 0.12)
    for y in np.arange(-1.1, 1.2, 0.17):
        depth = depth + rng.uniform(0.9, 1.5) * canvas.ball((0.5 - bow * np.cos(y * 2), y), 0.11, 0.07)
    for y in np.arange(-0.8, 0.9, 0.2):  # ribs of both sides, sloping forwards
        for shift in (0.0, rng.uniform(0.02, 0.08)):
            start, end = (0.5, y + shift), (-0.45, y + shift + rng.uniform(0.25, 0.45))
            depth = depth + 0.5 * canvas.tube(start, end, 0.025, 0.02)
    depth = depth + 0.8 * canvas.tube((-0.5, -0.6), (-0.58, 0.5), 0.05, 0.04)  # sternum
    depth = depth + rng.uniform(0, 0.8) * canvas.tube((-0.3, -1.6), (0.3, -0.7), 0.25, 0.25)  # arms
    return _seen(np.maximum(depth, 0), rng)


def _seen(depth: Depth, rng: np.random.Generator) -> Depth:
    seen = 1 - np.exp(-depth * rng.uniform(0.6, 1.6))
    return cast(Depth, seen + rng.normal(0, rng.uniform(0.005, 0.03), seen.shape))


_PARTS: list[Callable[[np.random.Generator, RayGrid], Depth]] = [
    _hand,
    _limb,
    _joint,
    _skull,
    _pelvis,
    _belly,
]

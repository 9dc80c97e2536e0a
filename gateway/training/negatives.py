"""Makes out-of-distribution negatives: images that are not frontal chest radiographs.

`finish` fits the detector to them; `publish` measures the share of each kind that gets no answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.training.anatomy import bones, lateral_chest

Grey = NDArray[np.uint8]  # (224, 224)
Maker = Callable[[Grey, np.random.Generator], Grey]  # from a chest radiograph to a negative

SIDE = 224


def _upside_down(chest: Grey, _: np.random.Generator) -> Grey:
    return chest[::-1, ::-1]


def _mirrored_upside_down(chest: Grey, _: np.random.Generator) -> Grey:
    return chest[::-1]


def _on_its_side(chest: Grey, rng: np.random.Generator) -> Grey:
    return np.rot90(chest, int(rng.choice([1, 3])))


def _inverted(chest: Grey, _: np.random.Generator) -> Grey:
    return 255 - chest


def _detail(chest: Grey, rng: np.random.Generator) -> Grey:
    """Return a window of a ninth to a quarter of the side."""
    side = int(SIDE * rng.uniform(0.11, 0.27))
    top, left = rng.integers(0, SIDE - side, 2)
    window = Image.fromarray(chest[top : top + side, left : left + side])
    return np.asarray(window.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _shuffled(chest: Grey, rng: np.random.Generator) -> Grey:
    n = int(rng.choice([2, 4, 7]))
    tiles = chest.reshape(n, SIDE // n, n, SIDE // n).swapaxes(1, 2).reshape(n * n, SIDE // n, SIDE // n)
    tiles = tiles[rng.permutation(n * n)]
    return tiles.reshape(n, n, SIDE // n, SIDE // n).swapaxes(1, 2).reshape(SIDE, SIDE)


def _one_side(chest: Grey, rng: np.random.Generator) -> Grey:
    """Return one half of the chest, stretched to the full width, like a lateral view."""
    start = int(rng.integers(0, 2)) * SIDE // 2
    half = Image.fromarray(np.ascontiguousarray(chest[:, start : start + SIDE // 2]))
    return np.asarray(half.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _superimposed(chest: Grey, rng: np.random.Generator) -> Grey:
    """Return both lungs superimposed and stretched to the full width, like a lateral view."""
    left, right = chest[:, : SIDE // 2], chest[:, : SIDE // 2 - 1 : -1]
    both = left * 0.5 + np.roll(right, int(rng.integers(-8, 9)), axis=0) * 0.5
    both = both[:, ::-1] if rng.random() < 0.5 else both
    image = Image.fromarray(_grey(both))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _lateral(_: Grey, rng: np.random.Generator) -> Grey:
    made = lateral_chest(rng, SIDE)
    return _stretch(made[:, ::-1] if rng.random() < 0.5 else made)


def _flat(_: Grey, rng: np.random.Generator) -> Grey:
    ramp = np.linspace(-1, 1, SIDE) * rng.uniform(0, 128)
    level = rng.uniform(0, 255) + (ramp[:, None] if rng.random() < 0.5 else ramp[None])
    return _grey(np.broadcast_to(level, (SIDE, SIDE)) + rng.normal(0, rng.uniform(0, 6), (SIDE, SIDE)))


def _noise(_: Grey, rng: np.random.Generator) -> Grey:
    """Return noise with a power-law spectrum of random exponent: from white to cloudy."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE))) + 1 / SIDE
    spectrum = np.fft.fft2(rng.normal(size=(SIDE, SIDE))) / frequency ** rng.uniform(0, 2.5)
    return _stretch(np.fft.ifft2(spectrum).real)


def _pattern(_: Grey, rng: np.random.Generator) -> Grey:
    """Return bars, a checkerboard, rings or grey steps, as on a test chart."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    period = int(rng.integers(4, 60))
    shapes = [
        columns // period % 2,
        (columns // period + rows // period) % 2,
        np.sin(np.hypot(rows - SIDE / 2, columns - SIDE / 2) * 2 * np.pi / period),
        columns // period + rows // period,
    ]
    return _stretch(shapes[int(rng.integers(len(shapes)))] + rng.normal(0, 0.05, (SIDE, SIDE)))


def _photograph(_: Grey, rng: np.random.Generator) -> Grey:
    """Return overlapping objects of all sizes, lit from one side (dead leaves model of natural images)."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    scene = np.zeros((SIDE, SIDE))
    for _leaf in range(120):
        size = np.clip(6 / rng.random() ** 0.7, 6, 120)
        y, x = rng.uniform(0, SIDE, 2)
        stretch = rng.uniform(0.4, 1)
        inside = np.hypot(rows - y, (columns - x) * stretch) < size
        if rng.random() < 0.5:
            inside = (np.abs(rows - y) < size) & (np.abs(columns - x) < size * stretch)
        scene[inside] = rng.uniform(0, 1) + rng.uniform(-0.3, 0.3) * ((rows - y) / size)[inside]
    return _stretch(scene + rng.normal(0, 0.02, scene.shape))


def _bones(_: Grey, rng: np.random.Generator) -> Grey:
    return _stretch(bones(rng, SIDE))


def _grey(values: NDArray[np.float64]) -> Grey:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _stretch(values: NDArray[np.float64]) -> Grey:
    """Scale the values between their 0.5 and 99.5 percentiles to 0–255."""
    low, high = np.percentile(values, [0.5, 99.5])
    return _grey((values - low) / max(high - low, 1e-6) * 255)


NEGATIVES: dict[str, Maker] = {
    "upside down": _upside_down,
    "mirrored upside down": _mirrored_upside_down,
    "on its side": _on_its_side,
    "inverted": _inverted,
    "detail": _detail,
    "shuffled": _shuffled,
    "one side": _one_side,
    "superimposed": _superimposed,
    "lateral": _lateral,
    "flat": _flat,
    "noise": _noise,
    "pattern": _pattern,
    "photograph": _photograph,
    "bones": _bones,
}
"""Kind of negative → function that makes one."""


def make_negatives(chests: NDArray[np.uint8], kind: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return one image of `kind` for each chest radiograph, uint8 (n, 224, 224)."""
    return np.stack([np.ascontiguousarray(NEGATIVES[kind](chest, rng)) for chest in chests])

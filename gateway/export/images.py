"""Computed images for the comparison of an export: the reference images, changed in many ways.

The same number gives the same images.
"""

from __future__ import annotations

import numpy as np

from gateway.model.engines import Floats
from gateway.model.reference import reference_images

MOST_SHIFT = 24  # pixels


def computed_images(count: int, seed: int = 135) -> Floats:
    """Return inputs, float32 (count, 3, 224, 224), -1 to 1: shifted, mirrored, lighter, darker, noisy."""
    random = np.random.default_rng(seed)
    references = reference_images()[:, 0]
    grey = [_changed(references[number % len(references)], random) for number in range(count)]
    images = np.stack(grey)[:, None].astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(images, (count, 3, *images.shape[2:])))


def _changed(grey: Floats, random: np.random.Generator) -> Floats:
    if random.random() < 0.5:
        grey = grey[:, ::-1]
    rows, columns = random.integers(-MOST_SHIFT, MOST_SHIFT + 1, 2)
    shifted = np.roll(grey, (rows, columns), axis=(0, 1))
    exponent = np.exp(random.uniform(-0.5, 0.5))
    curved = 2 * ((shifted + 1) / 2) ** exponent - 1
    noisy = curved * random.uniform(0.8, 1) + random.normal(0, random.uniform(0, 0.05), grey.shape)
    return np.asarray(np.clip(noisy, -1, 1), np.float32)

"""Shows what the lung network found in an image. `crops` spreads it over processes, so it loads no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.model.lungs import Cut, find_lungs, show
from gateway.records import WholeImage

Found = tuple[NDArray[np.uint8], NDArray[np.float32]]


def lung_view(found: Found, margin: float, cut: Cut) -> tuple[NDArray[np.uint8], bool]:
    """Return what the classifier sees, uint8 (224, 224), and whether there is nothing like lungs.

    `found` is an image, uint8 (224, 224), and the output of the lung network, float32 (112, 112), 0-1.
    """
    pixels, probabilities = found
    region = find_lungs(probabilities, margin)
    seen = show(as_input(pixels[None]), [region], cut).images[0, 0]
    no_lungs = isinstance(region, WholeImage) and region.empty
    return np.rint((seen + 1) * 127.5).astype(np.uint8), no_lungs


def as_input(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images, uint8 (n, 224, 224), as float32 (n, 1, 224, 224), -1 to 1."""
    return np.asarray(pixels[:, None].astype(np.float32) / np.float32(127.5) - np.float32(1))

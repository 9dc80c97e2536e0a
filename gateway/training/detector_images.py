"""Real images for the out-of-distribution detector: frontal chests of other hospitals, and all else.

`train` lists and reads them before training; `finish` fits the detector to one part, sets its limits by
another, and measures it on the third.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.training.crops import Cropped, Cropper
from gateway.training.pixels import Progress, load_pixels
from gateway.training.recipe import Recipe
from gateway.training.recipe.sources import DetectorSource
from gateway.training.samples import Part
from gateway.training.tables import Row, labelled_rows, place_of

RARE = 10  # images of a label below which it is not reported alone
LIMITS = 0.2  # share of the patients on whose images the limits are set


@dataclass(frozen=True)
class DetectorImages:
    """n real images.

    Attributes
    ----------
    whole, cropped
        The images, uint8 (n, 224, 224), and what the classifier sees of them.
    sources, labels
        Source and label of each image, (n,).
    frontal
        bool (n,): whether the image is a frontal chest radiograph.
    parts
        `train`, `validation` or `heldout` of each image, (n,).
    """

    whole: NDArray[np.uint8]
    cropped: Cropped
    sources: NDArray[np.str_]
    labels: NDArray[np.str_]
    frontal: NDArray[np.bool_]
    parts: NDArray[np.str_]

    def rows(self, part: Part, *, frontal: bool) -> NDArray[np.intp]:
        """Return the indices of the frontal chests, or of the other images, of a part."""
        return np.flatnonzero((self.parts == part) & (self.frontal == frontal))

    def kinds(self, rows: NDArray[np.intp]) -> list[str]:
        """Return the name under which each image is reported: source and label, rare labels together."""
        names = [f"{self.sources[row]}, {self.labels[row]}" for row in rows]
        seen = Counter(names)
        return [
            name if seen[name] >= RARE else f"{self.sources[row]}, other"
            for name, row in zip(names, rows, strict=True)
        ]


def load_detector_images(recipe: Recipe, crop: Cropper, progress: Progress) -> DetectorImages | None:
    """Return the images of the recipe's detector sources; None where there are none.

    Raises
    ------
    ConfigurationError
        A table or an image cannot be read.
    """
    listed = [(source, row) for source in recipe.detector for row in detector_rows(recipe, source)]
    if not listed:
        return None
    pixels = load_pixels([row.path for _, row in listed], recipe.out / "cache", progress)
    return DetectorImages(
        whole=np.asarray(pixels),
        cropped=crop(np.asarray(pixels)),
        sources=np.array([source.name for source, _ in listed]),
        labels=np.array([row.label for _, row in listed]),
        frontal=np.array([row.label in source.frontal for source, row in listed]),
        parts=np.array([_part(recipe.seed, source, row) for source, row in listed]),
    )


def detector_rows(recipe: Recipe, source: DetectorSource) -> list[Row]:
    """Return the images of one source; see `load_detector_images`."""
    return labelled_rows(recipe.root, source)


def _part(seed: int, source: DetectorSource, row: Row) -> Part:
    place = place_of(seed, source.name, row.patient)
    if place < source.heldout:
        return "heldout"
    return "validation" if place < source.heldout + LIMITS else "train"

"""The image set of a recipe: samples with decoded pixels, and draws from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gateway.training.samples import Part, Sample


@dataclass(frozen=True)
class ImageSet:
    """n images of a recipe.

    Attributes
    ----------
    pixels
        uint8 (n, 224, 224): the images as the classifier sees them, cropped to the lungs by a recipe with a
        lung network.
    whole
        uint8 (n, 224, 224): the images before that.
    """

    samples: list[Sample]
    pixels: NDArray[np.uint8]
    whole: NDArray[np.uint8]

    def draw(self, part: Part, most: int | None = None) -> NDArray[np.intp]:
        """Return sorted indices of the images of a part, at most `most` of each source and class.

        The draw is the same every time.
        """
        rng = np.random.default_rng(0)
        groups: dict[tuple[str, int], list[int]] = {}
        for i, sample in enumerate(self.samples):
            if sample.part == part:
                groups.setdefault((sample.source, sample.label), []).append(i)
        chosen = [rng.permutation(members)[:most] for members in groups.values()]
        return np.sort(np.concatenate([np.empty(0, np.intp), *chosen]))

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the classes, 0 or 1, of the images `rows`."""
        return np.array([self.samples[i].label for i in rows], np.int64)

    def sources(self, rows: NDArray[np.intp]) -> NDArray[np.str_]:
        """Return the source names of the images `rows`."""
        return np.array([self.samples[i].source for i in rows])

    def groups(self, rows: NDArray[np.intp]) -> Tensor:
        """Return a group number for each of the images `rows`, int64 (n,): one for each source and class."""
        names = [(self.samples[i].source, self.samples[i].label) for i in rows]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return torch.tensor([numbers[name] for name in names])

"""The images of a recipe, decoded, and ways to draw from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gateway.training.samples import Part, Sample


@dataclass(frozen=True)
class ImageSet:
    """The images of a recipe: what each is, and uint8 pixels (n, 224, 224)."""

    samples: list[Sample]
    pixels: NDArray[np.uint8]

    def draw(self, part: Part, most: int | None = None) -> NDArray[np.intp]:
        """Return the indices of all images, or of at most `most` of each source and class."""
        rng = np.random.default_rng(0)
        groups: dict[tuple[str, int], list[int]] = {}
        for i, sample in enumerate(self.samples):
            if sample.part == part:
                groups.setdefault((sample.source, sample.label), []).append(i)
        chosen = [rng.permutation(members)[:most] for members in groups.values()]
        return np.sort(np.concatenate(chosen))

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the classes, 0 or 1, of some images."""
        return np.array([self.samples[i].label for i in rows], np.int64)

    def sources(self, rows: NDArray[np.intp]) -> NDArray[np.str_]:
        """Return the names of the sources of some images."""
        return np.array([self.samples[i].source for i in rows])

    def groups(self, rows: NDArray[np.intp]) -> Tensor:
        """Return one number for each source and class, int64 (n,)."""
        names = [(self.samples[i].source, self.samples[i].label) for i in rows]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return torch.tensor([numbers[name] for name in names])

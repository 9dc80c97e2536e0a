"""Fits detector and limits of abstention to what a trained network sees. `finish` calls it.

The detector sees crops, as in the running model. An image in which no lungs are found gets no answer before
the detector is asked, and is left out here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from gateway.model.abstention import Detector
from gateway.model.card import Abstention
from gateway.training.augmentation import Augmenter
from gateway.training.crops import Cropped, Cropper
from gateway.training.descriptions import describe
from gateway.training.detector_images import DetectorImages
from gateway.training.evaluation.measure import Progress
from gateway.training.image_set import ImageSet
from gateway.training.negatives import NEGATIVES, make_negatives
from gateway.training.outliers import fit_detector, limits
from gateway.training.recipe.stages import Augmentation
from gateway.training.samples import Part

PER_GROUP = 500  # training images of each source and class for fitting the detector
REAL = -1  # group of the frontal chests among the real images
FAMILIAR = Augmentation(  # differences between hospitals, from which the model must not abstain
    rotation=8, zoom=(0.8, 1.1), aspect=0.2, shift=0.04, shear=0.03, warp=0.02, spectrum=0.5, tones=0.5,
    local_contrast=0.1, frame=0.1, resolution=0.5, gamma=0.2, contrast=0.2, brightness=0.05, noise=0.03,
)  # fmt: skip

Described = tuple[Tensor, Tensor]  # descriptions, float32 (n, D), and the group of each, int64 (n,)


@dataclass(frozen=True)
class DetectorFit:
    """The network and the images that a detector is fitted to; `real` is None without detector sources."""

    network: nn.Module
    image_set: ImageSet
    crop: Cropper
    real: DetectorImages | None
    progress: Progress

    def run(self) -> tuple[Detector, Abstention]:
        """Return the detector and its limits."""
        chests, groups = _joined(self._chests())
        negatives = torch.cat(list(self._negatives()))
        detector = fit_detector(chests, groups, negatives)
        return detector, self.limits(detector)

    def limits(self, detector: Detector) -> Abstention:
        """Return the limits of a detector of this network, by the validation images."""
        limiting, limited = _joined(self._limiting())
        return limits(torch.from_numpy(detector.score(limiting.numpy())), limited)

    def _chests(self) -> Iterator[Described]:
        rows = self.image_set.draw("train", PER_GROUP)
        groups = self.image_set.groups(rows)
        yield self._describe(self.image_set.pixels[rows]), groups
        familiar = self.crop(_familiar(self.image_set.whole[rows]))
        yield (
            self._describe(familiar.pixels[~familiar.no_lungs]),
            groups[torch.from_numpy(~familiar.no_lungs)],
        )
        yield from self._real_chests("train")

    def _limiting(self) -> Iterator[Described]:
        rows = self.image_set.draw("validation")
        yield self._describe(self.image_set.pixels[rows]), self.image_set.groups(rows)
        yield from self._real_chests("validation")

    def _negatives(self) -> Iterator[Tensor]:
        rows = self.image_set.draw("train", PER_GROUP)
        for i, kind in enumerate(NEGATIVES):
            used = np.resize(rows, max(len(rows), len(NEGATIVES)))[i :: len(NEGATIVES)]
            made = self.crop(make_negatives(self.image_set.whole[used], kind, np.random.default_rng(i)))
            if not made.no_lungs.all():
                yield self._with_lungs(made, np.arange(len(made.pixels)))
            self.progress(i + 1, len(NEGATIVES), "kinds of negatives described")
        if self.real:
            yield self._with_lungs(self.real.cropped, self.real.rows("train", frontal=False))

    def _real_chests(self, part: Part) -> Iterator[Described]:
        if self.real and len(rows := self.real.rows(part, frontal=True)):
            described = self._with_lungs(self.real.cropped, rows)
            yield described, torch.full((len(described),), REAL)

    def _with_lungs(self, cropped: Cropped, rows: NDArray[np.intp]) -> Tensor:
        """Describe those of the images `rows` in which lungs were found."""
        return self._describe(cropped.pixels[rows[~cropped.no_lungs[rows]]])

    def _describe(self, pixels: NDArray[np.uint8]) -> Tensor:
        return describe(self.network, pixels).description


def _joined(parts: Iterator[Described]) -> Described:
    descriptions, groups = zip(*parts, strict=True)
    return torch.cat(descriptions), torch.cat(groups)


def _familiar(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a `FAMILIAR` view of each image."""
    augment = Augmenter(FAMILIAR, pixels.shape[-1], Generator().manual_seed(0))
    batches = torch.split(torch.from_numpy(pixels), 128)
    views = [(augment(batch)[:, 0] + 1) * 127.5 for batch in batches]
    return torch.cat(views).round().to(torch.uint8).numpy()

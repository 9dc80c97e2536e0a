"""Abstention: two out-of-distribution scores of an image, and the reason to give no answer.

`predictor` calls it for every image. A model without a detector never abstains, except from output that is
not a finite number.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError
from gateway.model.card import Abstention
from gateway.model.resnet50 import DESCRIPTION
from gateway.model.weights import State
from gateway.records import Region, WholeImage

PREFIX = "abstention."

Floats = NDArray[np.float32]


class Detector(NamedTuple):
    """Scores the difference of an image from frontal chest radiographs; D numbers describe an image.

    `distance` is the Mahalanobis distance to the nearest group of training images (Lee et al. 2018), squared
    and per dimension. `outlier` is the log-odds of a linear classifier trained on out-of-distribution
    negatives (outlier exposure, Hendrycks et al. 2019). The distance finds unfamiliar images, the outlier
    score images like the negatives.

    Attributes
    ----------
    mean, scale
        float32 (D,): mean and scale of the training images' descriptions.
    axes
        float32 (D, k): projection of a standardised description to k numbers of unit variance.
    centres
        float32 (groups, k): mean projection of each group of training images (source and class).
    weight, bias
        float32 (D,) and (1,): linear classifier on standardised descriptions.
    """

    mean: Floats
    scale: Floats
    axes: Floats
    centres: Floats
    weight: Floats
    bias: Floats

    @classmethod
    def in_weights(cls, state: State, path: Path) -> Self | None:
        """Remove the detector's tensors from `state` and return the detector, or None where there is none.

        Raises
        ------
        ConfigurationError
            The detector in the weights file `path` is incomplete, or does not fit `RawOutput.description`.
        """
        found = {name: state.pop(PREFIX + name) for name in cls._fields if PREFIX + name in state}
        if not found:
            return None
        if missing := [name for name in cls._fields if name not in found]:
            raise ConfigurationError(f"weights file {path}: its detector lacks {', '.join(missing)}")
        detector = cls(**{name: array.astype(np.float32) for name, array in found.items()})
        if detector.mean.shape != (DESCRIPTION,):
            raise ConfigurationError(
                f"weights file {path}: its detector takes {len(detector.mean)} numbers of an image, "
                f"this gateway gives it {DESCRIPTION}: train the model with this version"
            )
        return detector

    def tensors(self) -> dict[str, Floats]:
        """Return the detector's tensors by their names in a weights file; `in_weights` reads them back."""
        return {PREFIX + name: array for name, array in self._asdict().items()}

    def score(self, description: Floats) -> Floats:
        """Return distance and outlier score, float32 (n, 2), of descriptions, float32 (n, D)."""
        standard = (description - self.mean) / self.scale
        apart = (standard @ self.axes)[:, None] - self.centres
        distance = np.square(apart).mean(axis=2).min(axis=1)
        outlier = standard @ self.weight + self.bias
        return np.stack([distance, outlier], axis=1).astype(np.float32)


def reason_to_abstain(
    log_odds: float,
    distance: float,
    outlier: float,
    limits: Abstention | None,
    region: Region | None = None,
) -> str | None:
    """Return in one sentence why an image with these scores gets no answer, or None.

    Scores at or above a limit abstain, and so does an image without lungs. Without limits only a score that
    is not finite and an image without lungs abstain.
    """
    if not math.isfinite(log_odds + distance + outlier):
        return "The network's output is not a number: the image or the weights are damaged."
    if isinstance(region, WholeImage) and region.empty:
        return f"{region.reason.capitalize()}."
    if limits is None:
        return None
    if outlier >= limits.outlier:
        return (
            f"The image is not a frontal chest radiograph (score {outlier:.1f}, limit {limits.outlier:.1f})."
        )
    if distance >= limits.distance:
        return (
            "The image is unlike the frontal chest radiographs that the model knows "
            f"(distance {distance:.1f}, limit {limits.distance:.1f})."
        )
    return None

"""When the model has no business answering: two scores of the network's own description of an image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from gateway.errors import ConfigurationError
from gateway.model.card import Abstention
from gateway.model.network import DESCRIPTION

PREFIX = "abstention."


class Detector(NamedTuple):
    """Scores how far an image is from a frontal chest radiograph; D numbers describe an image.

    `distance` is the Mahalanobis distance to the nearest group of training images (Lee et al. 2018), squared
    and per dimension; `outlier` is the log-odds of a linear classifier that was shown other things (outlier
    exposure, Hendrycks et al. 2019). The first sees what is strange, the second what is known to be wrong.

    Attributes
    ----------
    mean, scale
        float32 (D,): of the training images' descriptions.
    axes
        float32 (D, k): from a standardised description to k numbers of unit variance.
    centres
        float32 (groups, k): where each source and class lies among those.
    weight, bias
        float32 (D,) and (1,): the linear classifier on standardised descriptions.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    centres: Tensor
    weight: Tensor
    bias: Tensor

    @classmethod
    def in_weights(cls, state: dict[str, Tensor], path: Path) -> Self | None:
        """Take the detector's tensors out of those of the weights file `path`, if it has them.

        Raises
        ------
        ConfigurationError
            The detector describes images in another way than `network.forward` does.
        """
        found = {name: state.pop(PREFIX + name) for name in cls._fields if PREFIX + name in state}
        if not found:
            return None
        if missing := [name for name in cls._fields if name not in found]:
            raise ConfigurationError(f"weights file {path}: its detector lacks {', '.join(missing)}")
        detector = cls(**{name: tensor.float() for name, tensor in found.items()})
        if detector.mean.shape != (DESCRIPTION,):
            raise ConfigurationError(
                f"weights file {path}: its detector takes {len(detector.mean)} numbers of an image, "
                f"this gateway gives it {DESCRIPTION}: train the model with this version"
            )
        return detector

    def tensors(self) -> dict[str, Tensor]:
        """Return what `in_weights` takes out."""
        return {PREFIX + name: tensor for name, tensor in self._asdict().items()}

    def score(self, description: Tensor) -> Tensor:
        """Return distance and outlier score, float32 (n, 2), of descriptions, (n, D)."""
        standard = (description - self.mean) / self.scale
        apart = (standard @ self.axes)[:, None] - self.centres
        distance = apart.square().mean(dim=2).amin(dim=1)
        outlier = standard @ self.weight + self.bias
        return torch.stack([distance, outlier], dim=1)


def reason_to_abstain(
    log_odds: float, distance: float, outlier: float, limits: Abstention | None
) -> str | None:
    """Say in one sentence why an image with these scores gets no answer, or None; without limits, any may."""
    if not math.isfinite(log_odds + distance + outlier):
        return "The network's output is no number: the image or the weights are damaged."
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

"""A model's answer for one image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.records.model import ModelIdentity
from gateway.records.region import Region
from gateway.records.states import Presence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer for one image.

    Attributes
    ----------
    score
        Calibrated probability of the finding, 0–1; None where the model abstains.
    reason
        Why the model abstains, one sentence; None otherwise.
    activation
        Class activation map of the finding's logit over the whole image, float32, unbounded and signed:
        positive where the region speaks for the finding, 0 where the classifier did not see the image. Shape
        (7, 7) where it saw all, and its mean plus the bias is the logit; (28, 28) where the image was cropped
        to the lungs, (56, 56) where black margins were cut off.
    model
        Which model answered.
    region
        The part of the image that the classifier saw; None of a model without a lung network.
    """

    score: float | None
    reason: str | None
    activation: NDArray[np.float32]
    model: ModelIdentity
    region: Region | None = None

    def for_scanner(self, scanner: str) -> Prediction:
        """Return the prediction with the threshold of the scanner that took the image."""
        return replace(self, model=self.model.for_scanner(scanner))

    @property
    def presence(self) -> Presence:
        """Presence of the finding."""
        return self.model.presence(self.score)

    @property
    def label(self) -> str:
        """The class, or `Undetermined`."""
        return self.model.label(self.score)

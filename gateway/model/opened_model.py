"""A model whose engine is open: from the model's input to measurements. Predictor and proof use it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.model.abstention import Detector
from gateway.model.card import LungNetwork
from gateway.model.engines import Floats, Measured, NetworkEngine
from gateway.model.lungs import Seen, find_lungs, lung_input, show


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """Engine, detector and lung network of a model; without `lungs` the classifier sees whole images."""

    engine: NetworkEngine
    detector: Detector | None
    lungs: LungNetwork | None

    def look(self, images: Floats) -> Seen:
        """Return what the classifier sees of n images, float32 (n, 3, 224, 224), -1 to 1."""
        if self.lungs is None:
            return Seen(images, (None,) * len(images))
        regions = [find_lungs(each, self.lungs.margin) for each in self.mark(images)]
        return show(images, regions, self.lungs.region)

    def mark(self, images: Floats) -> Floats:
        """Return the probability of lung, float32 (n, 112, 112), in n images; needs a lung network."""
        return self.engine.mark_lungs(lung_input(images))

    def measure(self, seen: Floats) -> Measured:
        """Return the measurements of n images as the classifier sees them, float32 (n, 3, 224, 224)."""
        output = self.engine.run(seen)
        ood = (
            self.detector.score(output.description) if self.detector else np.zeros((len(seen), 2), np.float32)
        )
        return Measured(output.log_odds, ood, output.activation)

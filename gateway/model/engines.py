"""Engines execute the network; `measure` adds the scores of the detector. `choice` opens the engines."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.model.abstention import Detector

Precision = Literal["auto", "float32", "bfloat16"]
Floats = NDArray[np.float32]


class RawOutput(NamedTuple):
    """Output of one forward pass for n images.

    Attributes
    ----------
    log_odds
        float32 (n,): log-odds of the finding, not calibrated.
    activation
        float32 (n, 7, 7): class activation maps of the log-odds (Zhou et al. 2016).
    description
        float32 (n, `DESCRIPTION`): stages 2 to 4, each averaged over rows and columns.
    """

    log_odds: Floats
    activation: Floats
    description: Floats


class NetworkEngine(Protocol):
    """A network that is ready to run.

    Attributes
    ----------
    name
        Program, precision and device, as results state them: `OpenVINO float32`, `PyTorch float32 on CUDA`.
    on_gpu
        Whether it runs on a GPU, where large batches are faster.
    tolerance
        Largest difference of log-odds and scores from the reference answers.
    """

    @property
    def name(self) -> str: ...

    @property
    def on_gpu(self) -> bool: ...

    @property
    def tolerance(self) -> float: ...

    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images, float32 (n, 3, 224, 224), -1 to 1; any thread may call it."""


class Measured(NamedTuple):
    """Measurements of n images, before calibration, threshold and abstention.

    Attributes
    ----------
    log_odds
        float32 (n,): log-odds of the finding, not calibrated.
    ood
        float32 (n, 2): out-of-distribution scores, distance and outlier; zeros without a detector.
    activation
        float32 (n, 7, 7): class activation maps of the log-odds.
    """

    log_odds: Floats
    ood: Floats
    activation: Floats


def measure(engine: NetworkEngine, detector: Detector | None, images: Floats) -> Measured:
    """Return the measurements of n images, float32 (n, 3, 224, 224)."""
    output = engine.run(images)
    ood = detector.score(output.description) if detector else np.zeros((len(images), 2), np.float32)
    return Measured(output.log_odds, ood, output.activation)

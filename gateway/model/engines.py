"""Engines execute the networks of a model. `choice` opens them, `OpenedModel` measures by them."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

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
    """The networks of a model, ready to run: the classifier, and the lung network where the model has one.

    Attributes
    ----------
    name
        Program, precision and device, as results state them: `OpenVINO float32`, `PyTorch float32 on CUDA`.
    on_gpu
        Whether it runs on a GPU, where large batches are faster.
    passes_at_once
        Passes that run at once without hindering each other.
    tolerance
        Largest difference of log-odds and scores from the reference answers.
    """

    @property
    def name(self) -> str: ...

    @property
    def on_gpu(self) -> bool: ...

    @property
    def passes_at_once(self) -> int: ...

    @property
    def tolerance(self) -> float: ...

    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images, float32 (n, 3, 224, 224), -1 to 1; any thread may call it."""

    def mark_lungs(self, images: Floats) -> Floats:
        """Return the probability that a pixel shows lung, float32 (n, 112, 112), 0-1; any thread may call it.

        `images` is float32 (n, 1, 112, 112), -1 to 1. The lung network runs in float32 in every precision:
        the crop shall not depend on it.
        """


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


def log_odds_of(activation: Floats, biases: Floats) -> Floats:
    """Return the log-odds, float32 (n,): the mean of each map plus the difference of the biases.

    `biases` is the classifier's `fc.bias`, float32 (2,).
    """
    negative, positive = biases
    return np.asarray(activation.mean(axis=(1, 2)) + (positive - negative), np.float32)

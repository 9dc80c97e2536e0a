"""One temperature for the log-odds, kept only where it helps on images unlike those that it was fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.model.evaluation.figures import Labels, Scores, calibration_error

WORTH = 0.9  # the error must fall at least to this share of what it was
TEMPERATURES = np.exp(np.linspace(-1.5, 1.5, 121))

Odds = NDArray[np.float64]


def choose_temperature(fitted_on: tuple[Odds, Labels], tried_on: tuple[Odds, Labels]) -> float | None:
    """Return the temperature that is best on one set of log-odds and labels, if it helps on the other."""
    odds, labels = fitted_on
    losses = [_loss(odds / t, labels) for t in TEMPERATURES]
    best = float(TEMPERATURES[int(np.argmin(losses))])
    odds, labels = tried_on
    before, after = (calibration_error(labels, _probability(odds / t)) for t in (1.0, best))
    return round(best, 3) if after <= WORTH * before else None


def _loss(odds: Odds, labels: Labels) -> float:
    """Return the mean negative log-likelihood."""
    return float(np.logaddexp(0, np.where(labels == 1, -odds, odds)).mean())


def _probability(odds: Odds) -> Scores:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)

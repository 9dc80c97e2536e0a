"""Fits offset and temperature of the log-odds (Guo et al. 2017). `finish` calls it.

The temperature is kept only if it reduces the calibration error on images unlike those that it was fitted on.
The offset makes 0.5 the natural threshold where hospitals that the training does not know move the log-odds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gateway.training.descriptions import describe
from gateway.training.evaluation.figures import Labels, Scores, calibration_error
from gateway.training.evaluation.measure import Progress
from gateway.training.evaluation.shifts import SHIFTS
from gateway.training.image_set import ImageSet
from gateway.training.validation import borrow_most, other_class

WORTH = 0.9  # the error must fall at least to this share
SHIFTED = ("as it is", "closer", "darker", "local contrast")  # shifts that the temperature is tested on
TEMPERATURES = np.exp(np.linspace(-1.5, 1.5, 121))

NEARLY = 0.002
OFFSETS = np.round(np.linspace(-1, 1, 11), 1)  # of the log-odds

Odds = NDArray[np.float64]


def calibrate(network: nn.Module, image_set: ImageSet, progress: Progress) -> float | None:
    """Return the temperature, or None where it does not help.

    Half of the validation images, with looks of the other class, fit the temperature. The other half,
    shifted, tests it.
    """
    rows = image_set.draw("validation")
    fitted, tried = rows[::2], rows[1::2]
    odds = describe(network, _borrowed(image_set, fitted)).log_odds.double().numpy()
    shifted = []
    for i, name in enumerate(SHIFTED):
        shifted.append(describe(network, image_set.pixels[tried], SHIFTS[name]).log_odds.double().numpy())
        progress(i + 1, len(SHIFTED), "shifts described")
    labels = np.tile(image_set.labels(tried), len(SHIFTED))
    return choose_temperature((odds, image_set.labels(fitted)), (np.concatenate(shifted), labels))


def center(network: nn.Module, image_set: ImageSet) -> float:
    """Return the offset for the log-odds by images of other hospitals; 0 without such images.

    They count as much as validation images with looks of the other class.
    """
    external = image_set.draw("external")
    if not len(external):
        return 0.0
    rows = image_set.draw("validation")
    shown = (image_set.pixels[external], _borrowed(image_set, rows))
    odds = [describe(network, pixels).log_odds.double().numpy() for pixels in shown]
    return choose_offset(list(zip(odds, map(image_set.labels, (external, rows)), strict=True)))


def choose_offset(sets: Sequence[tuple[Odds, Labels]]) -> float:
    """Return the log-odds with the best mean of sensitivity and specificity over the sets, or nearly so.

    The least offset counts among those within `NEARLY` of the best.
    """

    def worth(offset: float) -> float:
        shares = [((odds >= offset)[labels == 1], (odds < offset)[labels == 0]) for odds, labels in sets]
        return float(np.mean([part.mean() for pair in shares for part in pair]))

    best = max(map(worth, OFFSETS))
    return float(min((offset for offset in OFFSETS if worth(offset) >= best - NEARLY), key=abs))


def choose_temperature(fitted_on: tuple[Odds, Labels], tried_on: tuple[Odds, Labels]) -> float | None:
    """Return the best temperature for the first set of log-odds and labels, if it helps on the second."""
    odds, labels = fitted_on
    losses = [_loss(odds / t, labels) for t in TEMPERATURES]
    best = float(TEMPERATURES[int(np.argmin(losses))])
    odds, labels = tried_on
    before, after = (calibration_error(labels, _probability(odds / t)) for t in (1.0, best))
    return round(best, 3) if after <= WORTH * before else None


def _borrowed(image_set: ImageSet, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    partners = rows[other_class(image_set.sources(rows), image_set.labels(rows))]
    own, other = (torch.from_numpy(image_set.pixels[of])[:, None].float() / 255 for of in (rows, partners))
    return (borrow_most(own, other)[:, 0] * 255).round().to(torch.uint8).numpy()


def _loss(odds: Odds, labels: Labels) -> float:
    """Return the mean negative log-likelihood."""
    return float(np.logaddexp(0, np.where(labels == 1, -odds, odds)).mean())


def _probability(odds: Odds) -> Scores:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)

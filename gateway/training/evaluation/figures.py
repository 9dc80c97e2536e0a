"""Figures of a binary classifier, with bootstrap intervals. `evaluate` and `validation` call it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from gateway.model.fraction import Fraction

Labels = NDArray[np.int64]  # 0 Normal, 1 Pneumonia
Scores = NDArray[np.float64]  # P(pneumonia), 0–1
Figure = Callable[[Labels, Scores], float]

BINS = 15
RESAMPLES = 2000


class Estimate(TypedDict):
    """A figure with its 95 % interval over resampled images."""

    value: float
    low: float
    high: float


def at_threshold(threshold: float) -> dict[str, Figure]:
    """Return the figures at a threshold, Pneumonia at and above it; a share of an empty set is 0."""

    def share(part: Callable[[Labels, NDArray[np.bool_]], NDArray[np.bool_]]) -> Figure:
        def of(labels: Labels, scores: Scores) -> float:
            hits = part(labels, scores >= threshold)
            return float(hits.mean()) if hits.size else 0.0

        return of

    sensitivity = share(lambda labels, positive: positive[labels == 1])
    precision = share(lambda labels, positive: labels[positive] == 1)

    def f1(labels: Labels, scores: Scores) -> float:
        p, r = precision(labels, scores), sensitivity(labels, scores)
        return 2 * p * r / (p + r) if p + r > 0 else 0.0

    return {
        "accuracy": share(lambda labels, positive: positive == (labels == 1)),
        "precision": precision,
        "sensitivity": sensitivity,
        "specificity": share(lambda labels, positive: ~positive[labels == 0]),
        "f1": f1,
    }


def specificity_at(sensitivity: float) -> Figure:
    """Return the figure: specificity at the highest threshold with this sensitivity; NaN without a class."""

    def of(labels: Labels, scores: Scores) -> float:
        positive, negative = np.sort(scores[labels == 1]), scores[labels == 0]
        if not len(positive) or not len(negative):
            return float("nan")
        missed = int(len(positive) * (1 - sensitivity) + 1e-9)
        return float((negative < positive[missed]).mean())

    return of


def auc_between(negative: Scores, positive: Scores) -> float:
    """Return `auc` of scores without the finding and scores with it."""
    labels = np.repeat([0, 1], [len(negative), len(positive)])
    return auc(labels, np.concatenate([negative, positive]))


def auc(labels: Labels, scores: Scores) -> float:
    """Return the area under the ROC curve, ties counted half; NaN where a class is missing."""
    positive = labels == 1
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def calibration_error(labels: Labels, scores: Scores) -> float:
    """Return the expected calibration error over `BINS` bins of equal width (Guo et al. 2017)."""
    bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, labels - scores, BINS)
    return float(np.abs(gaps).sum() / len(labels))


def calibration_floor(scores: Scores, rng: np.random.Generator) -> float:
    """Return the calibration error of a perfectly calibrated model with these scores."""
    truths = ((rng.random(len(scores)) < scores).astype(np.int64) for _ in range(200))
    return float(np.mean([calibration_error(labels, scores) for labels in truths]))


def with_interval(figure: Figure, labels: Labels, scores: Scores, rng: np.random.Generator) -> Estimate:
    """Return `figure` with its 95 % bootstrap interval (percentiles over resampled images).

    Where all images are right, or all wrong, those drawn again are, too: the interval is Wilson's of so many
    images as the rarer class has.
    """
    n = len(labels)
    drawn = (rng.integers(0, n, n) for _ in range(RESAMPLES))
    values = [figure(labels[rows], scores[rows]) for rows in drawn]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    if low == high and low in (0, 1):
        rarer = int(np.bincount(labels, minlength=2).min())
        low, high = Fraction(int(low) * rarer, rarer).interval or (0.0, 1.0)
    return Estimate(value=figure(labels, scores), low=float(low), high=float(high))

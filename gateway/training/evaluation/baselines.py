"""Baselines that see no disease: framing and grey values alone. `evaluate` reports them beside a model.

Where a baseline tells the classes of a data set apart, a model may do so by the same means, and the set's
figures prove less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.training.evaluation.figures import Labels, auc

FOLDS = 5
DECAY = 1.0  # L2 penalty, in images
STEPS = 25  # of Newton's method
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

Numbers = NDArray[np.float64]  # (n, k): k numbers of each image


def grey_values(inputs: NDArray[np.float32]) -> Numbers:
    """Return quantiles and the mean of the grey values of inputs, (n, 3, 224, 224)."""
    grey = inputs[:, 0].reshape(len(inputs), -1)
    return np.column_stack([np.quantile(grey, QUANTILES, axis=1).T, grey.mean(axis=1)]).astype(np.float64)


def baseline_auc(numbers: Numbers, labels: Labels) -> float:
    """Return the AUC of a logistic regression on `numbers`, by cross-validation; NaN with too few images."""
    if min(np.bincount(labels, minlength=2)) < FOLDS:
        return float("nan")
    standard = (numbers - numbers.mean(axis=0)) / (numbers.std(axis=0) + 1e-9)
    fold = _folds(labels)
    scores = np.empty(len(labels))
    for k in range(FOLDS):
        weights = _fit(standard[fold != k], labels[fold != k])
        scores[fold == k] = _with_one(standard[fold == k]) @ weights
    return auc(labels, scores)


def _folds(labels: Labels) -> NDArray[np.intp]:
    """Return the fold of each image; every fold has its share of both classes."""
    rng = np.random.default_rng(0)
    fold = np.empty(len(labels), np.intp)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold[rows] = np.arange(len(rows)) % FOLDS
    return fold


def _fit(numbers: Numbers, labels: Labels) -> NDArray[np.float64]:
    """Return weights and intercept of a logistic regression; the classes weigh the same."""
    x = _with_one(numbers)
    share = np.where(labels == 1, 1 / (labels == 1).sum(), 1 / (labels == 0).sum()) * len(labels) / 2
    penalty = np.diag(np.r_[np.full(x.shape[1] - 1, DECAY), 1e-6])
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(x @ weights).clip(-30, 30)))
        gradient = x.T @ (share * (p - labels)) + penalty @ weights
        curvature = (x * (share * p * (1 - p))[:, None]).T @ x + penalty
        weights -= np.linalg.solve(curvature, gradient)
    return weights


def _with_one(numbers: Numbers) -> Numbers:
    return np.column_stack([numbers, np.ones(len(numbers))])

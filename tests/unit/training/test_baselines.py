"""Baselines that see no disease."""

import math

import numpy as np

from gateway.training.evaluation.baselines import baseline_auc, grey_values
from gateway.training.evaluation.figures import specificity_at


def test_a_baseline_tells_classes_apart_by_exposure_alone_and_not_by_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    exposed = rng.uniform(-1, 1, (200, 3, 8, 8)).astype(np.float32) + 0.4 * labels[:, None, None, None]
    assert baseline_auc(grey_values(exposed.astype(np.float32)), labels) > 0.95
    assert abs(baseline_auc(rng.normal(size=(200, 4)), labels) - 0.5) < 0.15


def test_a_baseline_of_too_few_images_is_no_number() -> None:
    assert math.isnan(baseline_auc(np.zeros((6, 2)), np.array([0, 0, 0, 0, 1, 1])))


def test_specificity_is_given_where_the_sensitivity_is_reached() -> None:
    labels = np.array([0] * 4 + [1] * 10)
    scores = np.array([0.05, 0.15, 0.5, 0.95, *np.arange(1, 11) / 10])
    assert specificity_at(0.9)(labels, scores) == 0.5  # nine of ten pneumonias score 0.2 or more
    assert specificity_at(1.0)(labels, scores) == 0.25
    assert math.isnan(specificity_at(0.9)(labels[4:], scores[4:]))

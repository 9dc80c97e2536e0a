"""Last layers fitted anew to pooled features (benchmarks.last_layer_fit)."""

import numpy as np
import pytest

from benchmarks.last_layer_fit import Groups, Head, Line, fit, group

FEATURES = 6
DISEASE, SOURCE = 0, 1  # what the class, and what the hospital, moves

BLIND = Line(np.zeros(FEATURES), 0.0)


@pytest.fixture
def two_hospitals() -> Groups:
    """Two hospitals that show both classes; features of the second are moved, its pneumonias less."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 60)
    sources = np.repeat(["near", "far"], 60)
    features = rng.normal(size=(120, FEATURES))
    features[:, DISEASE] += 3 * labels
    features[:, SOURCE] += 2 * (sources == "far") * (1 + labels)
    return Groups(features, labels, group(sources, labels))


def test_a_fitted_head_tells_the_classes_apart(two_hospitals: Groups) -> None:
    line = fit(two_hospitals, Head(0.001), BLIND)
    right = (line.odds(two_hospitals.features) >= 0) == (two_hospitals.labels == 1)
    assert right.mean() > 0.9


def test_a_strong_pull_keeps_the_shipped_weights(two_hospitals: Groups) -> None:
    shipped = Line(np.array([1.0, 0, 0, 0, 0, 0]), -1.5)
    line = fit(two_hospitals, Head(1e4), shipped)
    np.testing.assert_allclose(line.weights, shipped.weights, atol=1e-3)


def test_sources_made_alike_get_log_odds_alike(two_hospitals: Groups) -> None:
    def gap(between: float) -> float:
        odds = fit(two_hospitals, Head(0.001, between=between), BLIND).odds(two_hospitals.features)
        means = [odds[two_hospitals.groups == number].mean() for number in range(4)]
        return abs(means[0] - means[2]) + abs(means[1] - means[3])

    assert gap(30.0) < gap(0.0) / 3


def test_the_worst_group_has_a_smaller_loss_when_it_counts_most(two_hospitals: Groups) -> None:
    def worst(head: Head) -> float:
        odds = fit(two_hospitals, head, BLIND).odds(two_hospitals.features)
        losses = np.logaddexp(0, np.where(two_hospitals.labels == 1, -odds, odds))
        groups = two_hospitals.groups
        return float(max(losses[groups == number].mean() for number in np.unique(groups)))

    assert worst(Head(0.01, worst=20.0)) < worst(Head(0.01))


def test_half_of_the_shipped_head_lies_between(two_hospitals: Groups) -> None:
    shipped = Line(np.ones(FEATURES), 1.0)
    new, half = (fit(two_hospitals, Head(0.001, shipped=share), shipped) for share in (0.0, 0.5))
    np.testing.assert_allclose(half.weights, (new.weights + 1) / 2)
    assert half.bias == pytest.approx((new.bias + 1) / 2)


def test_small_groups_of_a_class_are_joined() -> None:
    sources = np.array(["a"] * 20 + ["b"] * 2 + ["c"] * 2)
    labels = np.array([0] * 10 + [1] * 10 + [0, 1] * 2)
    numbers = group(sources, labels)
    assert len(set(numbers.tolist())) == 4
    assert numbers[20] == numbers[22]
    assert numbers[21] == numbers[23]

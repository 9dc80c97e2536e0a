import numpy as np
import pytest

from gateway.model.fraction import Fraction
from gateway.training.calibration import choose_temperature
from gateway.training.evaluation.figures import (
    at_threshold,
    auc,
    calibration_error,
    calibration_floor,
    with_interval,
)

LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.8, 0.3, 0.6, 0.7, 0.9, 0.9])


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("accuracy", 6 / 8),
        ("precision", 4 / 5),
        ("sensitivity", 4 / 5),
        ("specificity", 2 / 3),
        ("f1", 4 / 5),
    ],
)
def test_figures_at_a_threshold(figure: str, value: float) -> None:
    assert at_threshold(0.5)[figure](LABELS, SCORES) == pytest.approx(value)


@pytest.mark.parametrize(
    ("labels", "scores", "area"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1.0),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], 0.0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        (LABELS, SCORES, 12 / 15),
    ],
)
def test_area_under_the_roc_curve(labels: list[int], scores: list[float], area: float) -> None:
    assert auc(np.array(labels), np.array(scores)) == pytest.approx(area)


def test_one_class_has_no_area() -> None:
    assert np.isnan(auc(np.zeros(3, np.int64), np.array([0.1, 0.2, 0.3])))


def test_calibration_error_is_the_mean_gap() -> None:
    assert calibration_error(np.array([1, 0, 1, 1]), np.full(4, 0.75)) == pytest.approx(0)
    assert calibration_error(np.array([0, 0, 0, 0]), np.full(4, 0.75)) == pytest.approx(0.75)


@pytest.mark.parametrize("right", [True, False])
def test_an_interval_has_a_width_where_every_image_is_right_or_wrong(right: bool) -> None:
    labels = np.repeat([0, 1], [40, 16])
    scores = np.where((labels == 1) == right, 0.9, 0.1)
    for figure in (auc, *at_threshold(0.5).values()):
        found = with_interval(figure, labels, scores, np.random.default_rng(0))
        whole = Fraction(16 * right, 16).interval
        assert (found["value"], (found["low"], found["high"])) == (float(right), whole)


def test_the_interval_holds_the_value_and_shrinks_with_more_images() -> None:
    rng = np.random.default_rng(0)
    few, many = (with_interval(auc, np.tile(LABELS, n), np.tile(SCORES, n), rng) for n in (4, 100))
    for estimate in (few, many):
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]


def test_a_perfect_model_shows_some_error_on_few_images() -> None:
    rng = np.random.default_rng(0)
    few, many = (calibration_floor(rng.random(n), rng) for n in (100, 10000))
    assert 0 < many < few


def drawn(temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds that are too large by `temperature`, with labels."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, 4000)
    return true * temperature, (rng.random(4000) < 1 / (1 + np.exp(-true))).astype(np.int64)


def test_an_overconfident_model_gets_a_temperature() -> None:
    assert choose_temperature(drawn(2.0, 0), drawn(2.0, 1)) == pytest.approx(2.0, rel=0.1)


def test_a_temperature_that_does_not_carry_over_is_dropped() -> None:
    assert choose_temperature(drawn(2.0, 0), drawn(1.0, 1)) is None

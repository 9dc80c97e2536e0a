"""Threshold, folds and figures, counted by hand beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gateway.commissioning.cross_validation import (
    FOLDS,
    Floats,
    area_of,
    cross_validate,
    images_needed,
    own_scanners,
    part_of,
    specificity_of,
    spelled_alike,
    temperature_of,
    threshold_at,
    thresholds_at,
)

ODDS = np.arange(20, dtype=np.float64)


def test_the_threshold_leaves_the_wanted_share_of_new_normals_negative() -> None:
    assert threshold_at(ODDS, 0.9) == 18.5  # above the 19th of 20
    assert threshold_at(ODDS, 0.5) == 10.5
    assert threshold_at(ODDS, 0.95) > 19
    rng = np.random.default_rng(1)
    drawn = rng.normal(0, 1, (2000, 21))
    below = [odds[20] < threshold_at(odds[:20], 0.9) for odds in drawn]
    assert 0.88 < np.mean(below) < 0.95


def test_a_higher_specificity_needs_more_images() -> None:
    assert [images_needed(each) for each in (0.5, 0.9, 0.95, 0.98)] == [20, 20, 20, 49]
    assert threshold_at(ODDS, 0.98) > 19  # above all


class Remembering:
    """A classifier whose log-odds tell how many images its statistics come from, and whether of this one."""

    def __init__(self) -> None:
        self.fitted: list[np.ndarray] = []

    def fit(self, images: Floats) -> None:
        self.fitted.append(images)

    def score(self, images: Floats) -> tuple[Floats, Floats]:
        seen = self.fitted[-1].ravel()
        return np.array([np.isin(each, seen).any() for each in images], np.float32), images[:, 0, 0, 0]


def test_no_image_is_scored_by_statistics_that_it_took_part_in(silent: Callable[..., None]) -> None:
    classifier = Remembering()
    normal = np.arange(22, dtype=np.float32).reshape(22, 1, 1, 1)
    scored = cross_validate(classifier, normal, normal[:2] + 100, silent)
    assert not scored.normal.any()
    assert not scored.sick.any()
    np.testing.assert_array_equal(scored.distances, normal.ravel())
    assert len(classifier.fitted) == FOLDS + 1
    assert len(classifier.fitted[-1]) == 22


@pytest.fixture
def silent() -> Callable[..., None]:
    return lambda done, total, activity: None  # noqa: ARG005


def test_specificity_counts_images_under_the_threshold_of_the_others() -> None:
    odds = np.zeros(40)
    odds[:4] = 9.0
    found = specificity_of(odds, [""] * 40, 0.9)
    assert (found.part, found.whole) == (36, 40)
    assert found.low < 0.9 < found.high


def test_a_scanner_with_twenty_images_has_its_own_threshold_and_no_other_has() -> None:
    scanners = ["Acme"] * 20 + ["Zeta"] * 20 + ["few"] * 5 + [""] * 30
    assert own_scanners(scanners) == ("Acme", "Zeta")
    assert own_scanners(["Acme"] * 60) == ()
    odds = np.concatenate([np.linspace(0, 1, 20), np.linspace(5, 6, 20)])
    limits = thresholds_at(odds, scanners[:40], 0.9, ("Acme", "Zeta"))
    assert limits.scanners["Acme"] < 1 < 5 < limits.scanners["Zeta"]
    assert limits.of(["Acme", "another"]).tolist() == [limits.scanners["Acme"], limits.site]
    assert specificity_of(odds, scanners[:40], 0.9).value >= 0.85


def test_a_scanner_in_other_capitals_is_the_same_scanner() -> None:
    scanners = ["ACME X1"] * 10 + ["Acme X1"] * 10 + ["Zeta"] * 20
    assert spelled_alike(scanners) == ["ACME X1"] * 20 + ["Zeta"] * 20
    assert own_scanners(spelled_alike(scanners)) == ("ACME X1", "Zeta")


def test_scores_of_classes_that_do_not_overlap_do_not_become_certain() -> None:
    normal, sick = np.linspace(-6, -2, 30), np.linspace(2, 6, 20)
    furthest = 6 / temperature_of(normal, sick)
    assert 1 / (1 + np.exp(-furthest)) < 0.999


def test_temperature_and_area_are_those_of_known_scores() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 3, 4000)
    is_sick = rng.random(4000) < 1 / (1 + np.exp(-odds))
    normal, sick = odds[~is_sick], odds[is_sick]
    assert temperature_of(2 * normal, 2 * sick) == pytest.approx(2, rel=0.1)
    area = area_of(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0]))
    assert area.value == pytest.approx((1 + 0.5 + 3) / 6)
    assert area.low <= area.value <= area.high


def test_an_area_of_one_has_an_interval() -> None:
    area = area_of(np.arange(63.0), np.arange(38.0) + 100)
    assert (area.value, area.high) == (1, 1)
    assert area.low == pytest.approx(0.96, abs=0.005)
    again = area_of(-(np.arange(38.0) + 100), -np.arange(63.0) - 200)
    assert (again.low, again.value) == (0, 0)
    assert again.high == pytest.approx(1 - area.low)


def test_the_interval_of_an_area_holds_the_true_one_in_most_draws() -> None:
    rng = np.random.default_rng(0)
    drawn = [area_of(rng.normal(0, 1, 30), rng.normal(1.5, 1, 25)) for _ in range(400)]
    true = 0.8556  # of normal distributions 1.5 deviations apart
    assert 0.92 < np.mean([each.low <= true <= each.high for each in drawn]) < 0.985


def test_a_share_has_wilsons_interval() -> None:
    found = part_of(18, 20)
    assert (round(found.low, 3), round(found.high, 3)) == (0.699, 0.972)

"""Contours surround what speaks for the finding, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.results.contours import Polygon, contours
from tests.support.answers import activation_map


def area(polygon: Polygon) -> float:
    x, y = polygon[:-1].T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def test_the_region_of_the_finding_is_surrounded_once() -> None:
    (polygon,) = contours(activation_map())  # rows and columns 4 and 5 of 7
    assert (polygon[0] == polygon[-1]).all()
    assert polygon.min() == pytest.approx(4 / 7, abs=0.05)
    assert polygon.max() == pytest.approx(6 / 7, abs=0.05)
    assert area(polygon) == pytest.approx((2 / 7) ** 2, rel=0.2)


def test_a_region_at_the_edge_ends_at_the_edge() -> None:
    activation = np.zeros((7, 7), np.float32)
    activation[:, 0] = 3
    (polygon,) = contours(activation)
    assert polygon.min(axis=0).tolist() == [0, 0]
    assert polygon[:, 1].max() == 1


def test_a_hole_has_a_contour_of_its_own() -> None:
    activation = np.full((7, 7), 4, np.float32)
    activation[3, 3] = 0
    outer, hole = sorted(contours(activation), key=area, reverse=True)
    assert area(outer) == pytest.approx(1, abs=0.001)
    assert area(hole) < 0.1


@pytest.mark.parametrize("value", [0.0, -3.0, np.inf, np.nan])
def test_a_map_that_speaks_for_nothing_has_no_contour(value: float) -> None:
    assert contours(np.full((7, 7), value, np.float32)) == []


def test_no_polygon_has_more_points_than_viewers_take() -> None:
    rough = np.random.default_rng(5).normal(size=(64, 64)).astype(np.float32)
    found = contours(rough)
    assert len(found) > 1
    assert all(4 <= len(polygon) <= 200 for polygon in found)

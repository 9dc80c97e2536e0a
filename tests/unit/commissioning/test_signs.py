"""Images that are not what they are given as are named."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.commissioning.candidates import Candidate
from gateway.commissioning.signs import check_apart, check_far_out, check_order, far_out
from gateway.errors import GatewayError

NAMES = [f"{number}.dcm" for number in range(30)]


def test_a_score_far_above_the_others_is_named_and_one_far_below_is_not() -> None:
    odds = np.random.default_rng(0).normal(0, 1, 30)
    odds[[3, 7]], odds[5] = (9, 11), -20
    assert far_out(NAMES, odds) == ["7.dcm", "3.dcm"]
    with pytest.raises(
        GatewayError, match=r"2 of the normal images score far above the others: 7\.dcm, 3\.dcm"
    ):
        check_far_out(NAMES, odds, read_again=False)
    assert check_far_out(NAMES, odds, read_again=True) == 2


@pytest.mark.parametrize("sick", [3, 9, 15, 21])
def test_sick_images_among_the_normal_ones_are_named_however_many(sick: int) -> None:
    rng = np.random.default_rng(0)
    odds = np.concatenate([rng.normal(3, 1, sick), rng.normal(-3.5, 0.8, 30 - sick)])
    assert sorted(far_out(NAMES, odds)) == sorted(NAMES[:sick])


def test_scores_in_one_broad_group_are_those_of_an_unusual_site() -> None:
    assert far_out(NAMES, np.linspace(-3, 3, 30)) == []


def test_equal_scores_are_not_far_out() -> None:
    assert far_out(NAMES, np.ones(30)) == []


def test_an_image_is_normal_or_sick() -> None:
    image = Candidate("a.png", "1", "d1", "", "", np.zeros((28, 28), np.float32))
    copy = Candidate("b.png", "2", "d1", "", "", np.zeros((28, 28), np.float32))
    check_apart([image], [])
    with pytest.raises(GatewayError, match=r"a\.png is given as normal, and as sick under the name b\.png"):
        check_apart([image], [copy])


def test_sick_images_that_score_lower_are_refused() -> None:
    check_order(0.8)
    with pytest.raises(GatewayError, match="the two may be swapped"):
        check_order(0.3)

"""The site's own images decide whether its statistics are used."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.commissioning.commission import SHARES, shares_to_try
from gateway.commissioning.cross_validation import Scored

NONE = np.empty(0)


def scored(specificity: float, sick: int = 0) -> Scored:
    odds = np.where(np.arange(100) < 100 * specificity, -1.0, 1.0)
    return Scored(odds, np.ones(sick), np.ones(100))


@pytest.mark.parametrize(("specificity", "share"), [(0.11, 1.0), (0.49, 1.0), (0.5, 0.0), (0.9, 0.0)])
def test_without_sick_images_a_model_that_is_not_at_home_gets_the_sites_statistics(
    specificity: float, share: float
) -> None:
    assert shares_to_try(scored(specificity), 0.0, None) == (share,)
    assert shares_to_try(scored(specificity, sick=19), 0.0, None) == (share,)


def test_sick_images_decide_and_a_person_stands_above_both() -> None:
    assert shares_to_try(scored(0.9, sick=20), 0.0, None) == SHARES
    assert shares_to_try(scored(0.9, sick=20), 0.0, 0.25) == (0.25,)

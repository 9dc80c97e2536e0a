"""First answers are judged by coarse rules: many of a kind that no site has, or scores that have moved."""

from __future__ import annotations

import pytest

from gateway.store.queries.first_answers import FirstAnswers
from gateway.worker.plausibility import Expected, doubts

CARD = Expected(0.89, 0.98)
PROFILE = Expected(0.9, 1.0, (0.1, 0.2, 0.3, 0.4, 0.6))


def given(positive: int, negative: int, abstained: int = 0, low: float = 0.25) -> FirstAnswers:
    rows: list[tuple[str, float | None]] = [("Pneumonia", 0.9)] * positive + [("Normal", low)] * negative
    return FirstAnswers(None, "Pneumonia", (*rows, *[("Undetermined", None)] * abstained))


@pytest.mark.parametrize("expected", [CARD, PROFILE])
@pytest.mark.parametrize("positive", [5, 20, 40])
def test_what_a_site_may_show_is_no_doubt(expected: Expected, positive: int) -> None:
    assert list(doubts(given(positive, 100 - positive), expected)) == []


def test_nine_of_ten_sick_are_no_site() -> None:
    (doubt,) = doubts(given(90, 10), CARD)
    assert doubt == "90 of the first 100 answers are Pneumonia; with 30 % sick chests, it were at most 37 %"


def test_no_false_positive_at_all_is_no_site() -> None:
    (doubt,) = doubts(given(0, 100), CARD)
    assert doubt.startswith("0 of the first 100 answers are Pneumonia; of normal chests alone, about 11 %")
    assert list(doubts(given(0, 30), CARD)) == []  # too few to tell


def test_a_model_that_abstains_often_is_doubted() -> None:
    (doubt,) = doubts(given(8, 52, abstained=40), CARD)
    assert doubt == "40 of the first 100 images have no answer, as the model abstains"


@pytest.mark.parametrize(("low", "moved"), [(0.35, "moved up"), (0.05, "moved down")])
def test_scores_that_lie_beside_the_profiles_have_moved(low: float, moved: str) -> None:
    (doubt,) = doubts(given(15, 85, low=low), PROFILE)
    assert doubt.endswith(f"the scores have {moved}")

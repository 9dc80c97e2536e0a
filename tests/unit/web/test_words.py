"""The pages have words for every code of the ledger."""

from gateway.records import Reason, State
from gateway.store.entries import DeliveryState
from gateway.web.pages.words import DELIVERIES, REASONS, STATES, counted, reason_in_words, score


def test_every_state_and_reason_has_words() -> None:
    assert set(STATES) == set(State)
    assert set(REASONS) == set(Reason)
    assert set(DELIVERIES) == set(DeliveryState)


def test_a_reason_of_another_version_is_shown_as_it_stands() -> None:
    assert reason_in_words("of_the_future") == "of_the_future"
    assert reason_in_words(None) == ""


def test_a_page_shows_the_score_that_the_results_state() -> None:
    assert score(0.58462, 0.58475) == "58.4 %"  # below the threshold, not 58.5 % below 58.5 %
    assert score(0.58462, None) == "58.5 %"


def test_one_is_singular() -> None:
    assert [counted(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]

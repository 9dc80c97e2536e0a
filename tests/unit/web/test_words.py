"""The pages have words for every code of the ledger."""

from gateway.records import Reason, State
from gateway.store.entries import DeliveryState
from gateway.web.pages.words import DELIVERIES, REASONS, STATES, reason_in_words


def test_every_state_and_reason_has_words() -> None:
    assert set(STATES) == set(State)
    assert set(REASONS) == set(Reason)
    assert set(DELIVERIES) == set(DeliveryState)


def test_a_reason_of_another_version_is_shown_as_it_stands() -> None:
    assert reason_in_words("of_the_future") == "of_the_future"
    assert reason_in_words(None) == ""

"""A destination's view counts its results in every state that a delivery can have."""

from gateway.store.entries import DeliveryState
from gateway.store.queries.views import DestinationView


def test_every_state_of_a_delivery_is_counted() -> None:
    assert [getattr(DestinationView("pacs"), state.value) for state in DeliveryState] == [0] * len(
        DeliveryState
    )

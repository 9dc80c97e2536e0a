"""Which connection goes when there are too many."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import pytest

from gateway.receive.connections import Connection, Connections
from gateway.receive.hosts import Hosts
from gateway.receive.port import ALONE, Share
from gateway.settings import SCP
from gateway.upper_layer.association import Association


class Accepted:
    """Accepts connections of any address."""

    def __init__(self, opened: ExitStack, peers: tuple[str, ...] = (), share: Share = ALONE) -> None:
        settings = SCP(max_associations=2, max_associations_per_peer=1)  # six connections, three an address
        self.connections = Connections(settings, Hosts(peers) if peers else None, share)
        self._opened = opened

    def __call__(
        self, address: str, *, awaits_source: bool = False
    ) -> tuple[Connection | None, Connection | None]:
        near, far = socket.socketpair()
        self._opened.enter_context(near)
        self._opened.enter_context(far)
        return self.connections.accept(near, address, awaits_source=awaits_source)

    def admitted(self, address: str) -> Connection:
        new, _ = self(address)
        assert new is not None

        class Standing:
            is_released = is_aborted = False

        new.association, new.is_admitted = cast(Association, Standing()), True
        return new


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_the_oldest_nameless_connection_of_an_address_goes_first(opened: ExitStack) -> None:
    accept = Accepted(opened)
    first, *_ = [accept("192.0.2.1")[0] for _ in range(3)]
    new, victim = accept("192.0.2.1")
    assert new is not None
    assert victim is first
    assert accept("192.0.2.2")[1] is None


def test_when_all_places_are_taken_the_most_crowded_address_loses_one(opened: ExitStack) -> None:
    accept = Accepted(opened)
    accept("192.0.2.2")
    accept("192.0.2.3")
    crowd = [accept("192.0.2.1")[0] for _ in range(3)]
    accept("192.0.2.4")
    _, victim = accept("192.0.2.5")
    assert victim is crowd[0]


def test_associations_stay(opened: ExitStack) -> None:
    accept = Accepted(opened)
    standing = [accept.admitted("192.0.2.1") for _ in range(2)]
    for _ in range(20):
        accept("192.0.2.1")
    assert accept.connections.associated() == standing
    assert len(accept.connections.nameless()) >= 3


def test_strangers_cannot_use_up_the_places_of_peers(opened: ExitStack) -> None:
    accept = Accepted(opened, peers=("192.0.2.1",))
    strangers = [accept(f"198.51.100.{number}")[0] for number in range(6)]
    new, victim = accept("192.0.2.1")
    assert new is not None
    assert victim in strangers
    peers = [new, *(accept("192.0.2.1")[0] for _ in range(2))]
    _, victim = accept("198.51.100.9")
    assert victim in strangers
    assert victim not in peers


def test_a_stranger_is_turned_away_where_only_peers_are(opened: ExitStack) -> None:
    accept = Accepted(opened, peers=("192.0.2.1", "192.0.2.2"))
    for address in ("192.0.2.1", "192.0.2.2"):
        for _ in range(3):
            accept(address)
    assert accept("198.51.100.1") == (None, None)


def test_a_closed_connection_counts_no_more(opened: ExitStack) -> None:
    accept = Accepted(opened)
    standing = accept.admitted("192.0.2.1")
    standing.socket.close()
    assert accept.connections.associated() == []


def test_several_receivers_share_the_room_for_nameless_connections(opened: ExitStack) -> None:
    accept = Accepted(opened, share=Share(0, 2))  # room for four beside two associations
    accept.admitted("192.0.2.1")
    first, _ = accept("192.0.2.2")
    second, _ = accept("192.0.2.3")
    third, victim = accept("192.0.2.4")
    assert victim is first
    assert accept.connections.nameless() == [second, third]


def test_connections_of_a_proxy_count_for_their_sources_once_these_are_told(opened: ExitStack) -> None:
    accept = Accepted(opened, peers=("192.0.2.1",))
    waiting = [accept("10.0.0.1", awaits_source=True) for _ in range(6)]
    assert [victim for _, victim in waiting] == [None] * 6  # no limit of an address holds for a proxy
    first, second, *_ = [new for new, _ in waiting]
    assert first is not None
    assert second is not None
    assert accept.connections.tell_source(first, "192.0.2.1") == (first, None)
    assert accept("198.51.100.9") == (None, None)  # a stranger, and all others may be of peers
    assert accept.connections.tell_source(second, "198.51.100.9") == (second, None)
    assert accept("192.0.2.1")[1] is second  # who turned out to be a stranger
    assert accept.connections.tell_source(second, "192.0.2.1") == (None, None)

"""Which calling peers are known."""

from __future__ import annotations

import pytest

from gateway.receive.association import (
    CALLING_NOT_RECOGNISED,
    HOST_NOT_RESOLVED,
    Rejection,
    why_unknown,
)
from gateway.receive.hosts import Hosts, plain
from gateway.settings import Peer

PEERS = (
    Peer(ae_title="ROOM_1", host="192.0.2.7"),
    Peer(ae_title="ROOM_1", host="192.0.2.8"),
    Peer(ae_title="PACS", host="localhost"),
    Peer(ae_title="GONE", host="no-such-host.invalid"),
    Peer(ae_title="SIX", host="2001:db8::1"),
)


@pytest.mark.parametrize(
    ("calling_ae_title", "address", "rejection"),
    [
        ("ROOM_1", "192.0.2.7", None),
        ("ROOM_1", "192.0.2.8", None),
        ("ROOM_1", "::ffff:192.0.2.7", None),  # IPv4 through an IPv6 socket
        ("ROOM_1", "192.0.2.9", CALLING_NOT_RECOGNISED),
        ("room_1", "192.0.2.7", CALLING_NOT_RECOGNISED),  # AE titles are case-sensitive
        ("PACS", "127.0.0.1", None),
        ("PACS", "192.0.2.7", CALLING_NOT_RECOGNISED),  # another peer's address
        ("GONE", "192.0.2.7", HOST_NOT_RESOLVED),
        ("SIX", "2001:db8:0::1", None),
        ("SIX", "fe80::1%eth0", CALLING_NOT_RECOGNISED),
        ("STRANGER", "192.0.2.7", CALLING_NOT_RECOGNISED),
    ],
)
def test_title_and_address_must_both_match(
    calling_ae_title: str, address: str, rejection: Rejection | None
) -> None:
    hosts = Hosts(peer.host for peer in PEERS)
    found = why_unknown(PEERS, hosts, calling_ae_title, plain(address))
    assert _codes(found) == _codes(rejection)


def _codes(rejection: Rejection | None) -> tuple[int, int, int] | None:
    return rejection and (rejection.result, rejection.source, rejection.diagnostic)


def test_without_peers_everybody_is_known() -> None:
    assert why_unknown((), Hosts(()), "ANY", "192.0.2.1") is None

"""Which calling peers are known."""

from __future__ import annotations

import pytest

from gateway.receive.association import is_known
from gateway.settings import Peer

PEERS = (
    Peer(ae_title="ROOM_1", host="192.0.2.7"),
    Peer(ae_title="ROOM_1", host="192.0.2.8"),
    Peer(ae_title="PACS", host="localhost"),
    Peer(ae_title="GONE", host="no-such-host.invalid"),
    Peer(ae_title="SIX", host="2001:db8::1"),
)


@pytest.mark.parametrize(
    ("calling_ae_title", "address", "known"),
    [
        ("ROOM_1", "192.0.2.7", True),
        ("ROOM_1", "192.0.2.8", True),
        ("ROOM_1", "::ffff:192.0.2.7", True),  # IPv4 through an IPv6 socket
        ("ROOM_1", "192.0.2.9", False),
        ("room_1", "192.0.2.7", False),  # AE titles are case-sensitive
        ("PACS", "127.0.0.1", True),
        ("PACS", "192.0.2.7", False),  # another peer's address
        ("GONE", "192.0.2.7", False),
        ("SIX", "2001:db8:0::1", True),
        ("SIX", "fe80::1%eth0", False),
        ("STRANGER", "192.0.2.7", False),
    ],
)
def test_title_and_address_must_both_match(calling_ae_title: str, address: str, known: bool) -> None:
    assert is_known(PEERS, calling_ae_title, address) is known


def test_without_peers_everybody_is_known() -> None:
    assert is_known((), "ANY", "192.0.2.1")

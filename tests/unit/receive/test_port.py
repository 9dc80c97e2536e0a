"""The DICOM port is bound once, and shared."""

from __future__ import annotations

import os
import socket

import pytest

from gateway.errors import ConfigurationError
from gateway.receive.port import ALONE, Share, listen
from gateway.settings import SCP, Peer


def test_a_port_that_is_taken_is_named() -> None:
    with listen(SCP(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"scp.port: cannot listen on 127.0.0.1:{port} "):
            ALONE.listen(SCP(port=port))


def test_every_address_means_ipv4_too() -> None:
    settings = SCP(bind="::", port=0, peers=(Peer(ae_title="ANY", host="127.0.0.1"),))
    with listen(settings) as listening:
        address = ("127.0.0.1", listening.getsockname()[1])
        with socket.create_connection(address) as peer, listening.accept()[0] as accepted:
            assert accepted.getpeername()[1] == peer.getsockname()[1]


def test_a_share_listens_on_the_socket_that_it_inherits() -> None:
    with listen(SCP(port=0)) as bound:
        share = Share(1, 2, os.dup(bound.fileno()))
        with share.listen(SCP(port=0)) as listening:
            assert listening.getsockname() == bound.getsockname()


def test_shares_are_equal_and_never_nothing() -> None:
    share = Share(0, 4)
    assert [share.of(limit) for limit in (400, 7, 3)] == [100, 1, 1]

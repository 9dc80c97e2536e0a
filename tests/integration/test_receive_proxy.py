"""Receiving behind a load balancer: the word of a trusted proxy counts, and nobody else's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.receive import storage_scp
from gateway.settings import Settings
from gateway.telemetry.audit import trail
from tests.support.certificates import Authority
from tests.support.gateway_process import wait_for
from tests.support.receiving import Receiver, data_set_of, receiving
from tests.support.sources import dx, encoded
from tests.wire import pdus
from tests.wire.proxy import LOCAL, extension, header
from tests.wire.requestor import Heard, Requestor, Response

PROXY, DIRECT = "127.0.0.2", "127.0.0.3"
SENDER, STRANGER = "192.0.2.7", "192.0.2.66"
SUCCESS = Response(0x0000, "")
BEHIND: dict[str, Any] = {
    "trusted_proxies": [PROXY],
    "peers": [{"ae_title": "RAW", "host": host} for host in (SENDER, "2001:db8::7", DIRECT)],
}


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path, **BEHIND) as receiver:
        yield receiver


def through(receiver: Receiver, source: str, **header_parts: Any) -> Requestor:
    """Return a connection as the proxy hands it on for `source`."""
    peer = Requestor(receiver.address, PROXY)
    peer.say(header(source, **header_parts))
    return peer


def associate(peer: Requestor) -> str:
    return str(peer.associate(pdus.VERIFICATION.decode()))


def why_rejected(receiver: Receiver) -> dict[str, Any]:
    (entry,) = wait_for(lambda: receiver.events("association_rejected"))
    return dict(entry)


@pytest.mark.parametrize("source", [SENDER, "2001:db8::7"])
def test_an_image_is_kept_under_the_address_of_its_sender(behind: Receiver, source: str) -> None:
    image = dx()
    with through(behind, source, extensions=extension(0x05, b"request-1")) as peer:
        assert str(peer.associate(image.SOPClassUID)) == "accepted"
        data = data_set_of(encoded(image))
        assert peer.store(image.SOPClassUID, image.SOPInstanceUID, data) == SUCCESS
        peer.release()
    (row,) = behind.rows()
    assert row.peer_address == source
    (opened,) = behind.events("association_opened")
    assert opened["peer_address"] == source


def test_a_header_in_pieces_is_read(behind: Receiver) -> None:
    with Requestor(behind.address, PROXY) as peer:
        for byte in header(SENDER):
            peer.say(bytes([byte]))
        assert associate(peer) == "accepted"


def test_a_stranger_behind_the_proxy_is_rejected_and_audited_under_its_own_address(tmp_path: Path) -> None:
    trail.open_trail(Settings(data_dir=tmp_path))
    try:
        with receiving(tmp_path, **BEHIND) as receiver:
            with through(receiver, STRANGER) as peer:
                assert associate(peer) == "rejected 1/1/3"
            assert why_rejected(receiver)["peer_address"] == STRANGER
    finally:
        trail.close_trail()
    (file,) = (tmp_path / "audit").glob("audit-*.log")
    assert STRANGER in file.read_text()
    assert PROXY not in file.read_text()


def test_a_proxy_that_does_not_tell_is_refused(behind: Receiver) -> None:
    with Requestor(behind.address, PROXY) as peer:
        assert peer.associate(pdus.VERIFICATION.decode()) is None
    entry = why_rejected(behind)
    assert "send-proxy-v2" in entry["why"]
    assert entry["peer_address"] == PROXY


@pytest.mark.parametrize("source", ["127.0.0.1", DIRECT])
def test_a_header_from_elsewhere_is_never_believed(behind: Receiver, source: str) -> None:
    with Requestor(behind.address, source) as peer:
        peer.say(header(SENDER))
        assert associate(peer) == "aborted 2/1"
    entry = why_rejected(behind)
    assert entry["peer_address"] == source
    assert "scp.trusted_proxies" in entry["why"]


def test_a_second_header_is_not_read(behind: Receiver) -> None:
    with through(behind, STRANGER) as peer:
        peer.say(header(SENDER))
        assert associate(peer) == "aborted 2/1"
    assert why_rejected(behind)["peer_address"] == STRANGER


def test_a_peer_may_come_without_the_proxy(behind: Receiver) -> None:
    with Requestor(behind.address, DIRECT) as peer:
        assert associate(peer) == "accepted"


@pytest.mark.parametrize("check", [b"", LOCAL], ids=["connects and closes", "LOCAL"])
def test_health_checks_of_the_proxy_leave_no_line(behind: Receiver, check: bytes) -> None:
    for _ in range(3):
        with Requestor(behind.address, PROXY) as peer:
            peer.finish(check)
            assert peer.hear() is None
    with through(behind, SENDER) as peer:
        assert associate(peer) == "accepted"
        peer.release()
    assert not behind.events("association_rejected")
    assert not behind.events("association_aborted")


@pytest.mark.parametrize("begins", [b"", header(SENDER)[:14]])
def test_a_slow_header_ends_the_connection_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: bytes
) -> None:
    monkeypatch.setattr(storage_scp, "ASSOCIATION_TIMEOUT_SECONDS", 0.3)
    with receiving(tmp_path, **BEHIND) as receiver, Requestor(receiver.address, PROXY) as peer:
        peer.say(begins)
        assert peer.hear() is None
        assert "did not come in time" in why_rejected(receiver)["why"]


def test_the_limit_of_a_peer_counts_its_own_address(tmp_path: Path) -> None:
    limits = {"max_associations": 5, "max_associations_per_peer": 1}
    with receiving(tmp_path, **BEHIND | limits) as receiver, ExitStack() as opened:
        peers = [opened.enter_context(through(receiver, each)) for each in (SENDER, "2001:db8::7", SENDER)]
        assert [associate(peer) for peer in peers] == ["accepted", "accepted", "rejected 2/3/2"]


def test_a_flood_from_behind_the_proxy_drops_itself_alone(tmp_path: Path) -> None:
    limits = {"max_associations": 4, "max_associations_per_peer": 2}
    with receiving(tmp_path, **BEHIND | limits) as receiver, ExitStack() as opened:
        for number in range(40):
            opened.enter_context(through(receiver, STRANGER))
            if number % 10 == 0:
                with through(receiver, SENDER) as peer:
                    assert associate(peer) == "accepted"
        told = wait_for(lambda: receiver.events("association_rejected"))
        assert {entry["peer_address"] for entry in told} == {STRANGER}


# --- TLS


@pytest.fixture
def secured(tmp_path: Path, authority: Authority) -> Iterator[Receiver]:
    with receiving(tmp_path, **BEHIND, tls=authority.sign("gateway").files) as receiver:
        yield receiver


def test_the_header_comes_before_the_handshake(secured: Receiver, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca))
    with through(secured, SENDER) as peer:
        peer.socket = context.wrap_socket(peer.socket, server_hostname="127.0.0.1")
        assert associate(peer) == "accepted"
    (opened,) = secured.events("association_opened")
    assert opened["peer_address"] == SENDER


def test_a_failed_handshake_is_told_under_the_address_of_the_sender(secured: Receiver) -> None:
    with through(secured, SENDER) as peer:
        answer = peer.associate(pdus.VERIFICATION.decode())
        assert not isinstance(answer, Heard) or answer.kind != pdus.ASSOCIATE_AC
    entry = why_rejected(secured)
    assert entry["peer_address"] == SENDER
    assert entry["why"].startswith("no TLS")


def test_a_health_check_may_shake_hands(secured: Receiver, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca))
    with Requestor(secured.address, PROXY) as peer:
        peer.say(LOCAL)
        peer.socket = context.wrap_socket(peer.socket, server_hostname="127.0.0.1")
        assert peer.hear() is None
    with through(secured, SENDER) as peer:
        peer.socket = context.wrap_socket(peer.socket, server_hostname="127.0.0.1")
        assert associate(peer) == "accepted"
    assert not secured.events("association_rejected")


@pytest.mark.parametrize("source", ["127.0.0.1", DIRECT])
def test_a_header_from_elsewhere_is_no_handshake(secured: Receiver, source: str) -> None:
    with Requestor(secured.address, source) as peer:
        peer.say(header(SENDER))
        answer = peer.hear()
        assert answer is None or answer.kind != pdus.ASSOCIATE_AC
    entry = why_rejected(secured)
    assert entry["peer_address"] == source

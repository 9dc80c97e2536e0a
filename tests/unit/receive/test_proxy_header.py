"""The header of the PROXY protocol: what is read, what is refused, and that not one byte more is taken."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.receive.proxy_header import MAX_BYTES, Source, Untold, read_source
from tests.wire.proxy import LOCAL, SIGNATURE, extension, header

Pair = tuple[socket.socket, socket.socket]
PATIENCE_SECONDS = 60.0


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def read(pair: Pair, sent: bytes, seconds: float = PATIENCE_SECONDS) -> Source | None:
    near, far = pair
    far.sendall(sent)
    return read_source(near, monotonic() + seconds)


@pytest.mark.parametrize(
    ("told", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),  # as an IPv6 listener sees an IPv4 sender
    ],
)
def test_the_source_is_read_and_not_one_byte_more(pair: Pair, told: str, source: str) -> None:
    assert read(pair, header(told, 40_001) + b"\x01 the next protocol") == (source, 40_001)
    assert pair[0].recv(100) == b"\x01 the next protocol"


@pytest.mark.parametrize(
    "extensions",
    [
        extension(0x05, b"unique") + extension(0x20, bytes(300)),
        b"\x05\xff\xff no such length",
        bytes(MAX_BYTES - 12),
    ],
)
def test_extensions_are_passed_over(pair: Pair, extensions: bytes) -> None:
    assert read(pair, header("192.0.2.7", extensions=extensions) + b"x") == ("192.0.2.7", 40_000)
    assert pair[0].recv(100) == b"x"


@pytest.mark.parametrize("sent", [LOCAL, header("192.0.2.7", version_and_command=0x20)])
def test_a_health_check_names_nobody(pair: Pair, sent: bytes) -> None:
    assert read(pair, sent) is None


def test_a_connection_without_a_byte_names_nobody(pair: Pair) -> None:
    pair[1].shutdown(socket.SHUT_WR)
    assert read_source(pair[0], monotonic() + PATIENCE_SECONDS) is None


REFUSED = {
    "no header": (b"\x01\x00\x00\x00", "needs send-proxy-v2"),
    "version 1": (b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 11112\r\n", "needs send-proxy-v2"),
    "another signature": (SIGNATURE[:11] + b"X" + header("192.0.2.7")[12:], "needs send-proxy-v2"),
    "version 3": (header("192.0.2.7", version_and_command=0x31), "has version 3 and command 1"),
    "another command": (header("192.0.2.7", version_and_command=0x22), "has version 2 and command 2"),
    "UDP": (header("192.0.2.7", family=0x12), "no address of TCP"),
    "unspecified": (SIGNATURE + b"\x21\x00\x00\x00", "no address of TCP"),
    "a path": (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), "no address of TCP"),
    "IPv6 with the length of IPv4": (header("192.0.2.7", family=0x21), "ends within its addresses"),
    "too long": (header("192.0.2.7", length=MAX_BYTES + 1), f"at most {MAX_BYTES} are read"),
    "too long for a health check": (SIGNATURE + b"\x20\x00\xff\xff", f"at most {MAX_BYTES} are read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_header_is_refused_with_the_reason(pair: Pair, name: str) -> None:
    sent, why = REFUSED[name]
    with pytest.raises(Untold, match=why):
        read(pair, sent)


@pytest.mark.parametrize("size", [1, 12, 15, 16, 20])
def test_a_header_that_does_not_end_is_refused_at_once_where_it_is_closed(pair: Pair, size: int) -> None:
    pair[1].sendall(header("192.0.2.7")[:size])
    pair[1].shutdown(socket.SHUT_WR)
    with pytest.raises(Untold, match="within its header"):
        read_source(pair[0], monotonic() + PATIENCE_SECONDS)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 20])
def test_a_header_that_does_not_end_is_refused_at_the_deadline(pair: Pair, size: int) -> None:
    with pytest.raises(Untold, match="did not come in time"):
        read(pair, header("192.0.2.7")[:size], 0.05)


@given(st.binary(max_size=100) | st.binary(max_size=100).map(lambda rest: SIGNATURE + rest))
@settings(max_examples=200)
def test_any_bytes_are_a_source_nobody_or_refused(sent: bytes) -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(sent)
        far.shutdown(socket.SHUT_WR)
        with suppress(Untold):
            source = read_source(near, monotonic() + PATIENCE_SECONDS)
            assert source is None or sent.startswith(SIGNATURE)

"""The header of the PROXY protocol, version 2: a load balancer tells whose connection it hands on.

`listener` reads it from connections of `scp.trusted_proxies`, before TLS. Exactly the header's bytes are
read, within a deadline: at most `MAX_BYTES` of addresses and extensions (TLVs), of which the source
alone counts.

Source: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

import select
import socket
import struct
from ipaddress import ip_address
from time import monotonic

from gateway.receive.hosts import plain

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_BYTES = 4096
"""Longest rest of a header that is read, in bytes: 36 of addresses, the rest of extensions."""

_FIXED = struct.Struct(">12sBBH")  # signature, version and command, family, length of the rest
_VERSION_2 = 2
_LOCAL, _PROXY = 0, 1
_TCP = {0x11: struct.Struct(">4s4sHH"), 0x21: struct.Struct(">16s16sHH")}  # over IPv4, over IPv6

Source = tuple[str, int]
"""Address and port of the node that has connected to the load balancer."""


class Untold(Exception):  # noqa: N818 - describes the bytes
    """A proxy did not tell whose connection it hands on; the message is a sentence without full stop."""


def read_source(connection: socket.socket, deadline: float) -> Source | None:
    """Read the header of a connection that a proxy has opened.

    Parameters
    ----------
    connection
        Its next bytes are the header's; also a TLS socket before its handshake.
    deadline
        Seconds of the monotonic clock by which the header must be there.

    Returns
    -------
    Source or None
        None where the proxy speaks for nobody: its health check (command LOCAL, or no byte at all).

    Raises
    ------
    Untold
        If the header is missing, late, malformed, too long or names no address of TCP.
    OSError
        If the connection breaks.
    """
    fixed = _read(connection, _FIXED.size, deadline, begins=SIGNATURE)
    if not fixed:
        return None
    _, version_and_command, family, length = _FIXED.unpack(fixed)
    version, command = version_and_command >> 4, version_and_command & 0xF
    if version != _VERSION_2 or command not in (_LOCAL, _PROXY):
        raise Untold(
            f"the proxy's header has version {version} and command {command}; 2 and 0 or 1 are known"
        )
    if length > MAX_BYTES:
        raise Untold(f"the proxy's header claims {length} bytes; at most {MAX_BYTES} are read")
    rest = _read(connection, length, deadline)
    if length and not rest:
        raise Untold("the proxy closed the connection within its header")
    return None if command == _LOCAL else _source_of(family, rest)


def _source_of(family: int, rest: bytes) -> Source:
    form = _TCP.get(family)
    if form is None:
        raise Untold(f"the proxy's header names no address of TCP (family 0x{family:02X})")
    if len(rest) < form.size:
        raise Untold(f"the proxy's header ends within its addresses, after {len(rest)} bytes")
    source, _, port, _ = form.unpack_from(rest)
    return plain(str(ip_address(source))), port


def _read(connection: socket.socket, count: int, deadline: float, begins: bytes = b"") -> bytes:
    """Return `count` bytes; none where the connection is closed before the first."""
    received = b""
    while len(received) < count:
        _wait(connection, deadline)
        part = socket.socket.recv(connection, count - len(received))  # beneath TLS
        if not part:
            break
        received += part
        if begins and received[: len(begins)] != begins[: len(received)]:
            told = "its server line needs send-proxy-v2"
            raise Untold(f"the proxy sent no header of the PROXY protocol, version 2: {told}")
    if 0 < len(received) < count:
        raise Untold("the proxy closed the connection within its header")
    return received


def _wait(connection: socket.socket, deadline: float) -> None:
    polled = select.poll()
    polled.register(connection, select.POLLIN)
    if not polled.poll(max(0.0, deadline - monotonic()) * 1000):
        raise Untold("the proxy's header did not come in time")

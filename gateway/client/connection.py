"""A TCP connection to another system, with TLS where it is configured, for DICOM PDUs and for HTTP.

No wait on the peer is without end, and no more is held than one PDU: whatever the node does or leaves undone,
each call returns or raises within `Patience`.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from functools import partial
from time import monotonic
from typing import TypeVar

from gateway.upper_layer.endings import Malformed, unrecognised
from gateway.upper_layer.transport import MAX_PDU_BYTES, SEND_BUFFER_BYTES, acknowledge_at_once

LEAST_BYTES_PER_SECOND = 4096
"""Least rate for one object as a whole: half the capacity of an ISDN channel."""

STOP_SECONDS = 5.0
"""Longest time that an exchange may go on after the gateway was asked to stop."""

_LOOK_SECONDS = 0.25  # how soon a stop and the peer's progress are noticed
_READ_BYTES = 64 * 1024
_RECORD_BYTES = 16 * 1024  # of TLS: a shorter write cannot be taken in part
_LINGER = struct.pack("ii", 1, 0)

_T = TypeVar("_T")


class Stopped(Exception):  # noqa: N818 - nobody's fault
    """The gateway is to stop, and the exchange has not ended in time."""


class NotConnected(OSError):  # noqa: N818 - said of the node
    """No address of the host took a connection; the message says of each why."""


class Patience:
    """Time limits on a peer: `seconds` without progress, and each exchange as a whole.

    Parameters
    ----------
    seconds
        The longest wait for a connection, an answer, or the next bytes to be taken.
    stopping
        Once set, an exchange is ended after `STOP_SECONDS`.
    """

    def __init__(self, seconds: float, stopping: threading.Event | None = None) -> None:
        self.seconds = seconds
        self._stopping = stopping
        self._stop_at = float("inf")
        self.begin()

    def begin(self, octets: int = 0, seconds: float | None = None) -> None:
        """Start the clock of an exchange in which so many bytes are sent."""
        self._silence = self.seconds if seconds is None else seconds
        self.whole = self._silence + octets / LEAST_BYTES_PER_SECOND
        self._since = self._begun = monotonic()

    def go_on(self) -> None:
        """Note progress: the peer is waited for anew, within the exchange."""
        self._since = monotonic()

    def left(self) -> float:
        """Return for how many seconds the peer is still waited for.

        Raises
        ------
        TimeoutError, Stopped
            When they are over.
        """
        now = monotonic()
        if self._stopping is not None and self._stopping.is_set():
            self._stop_at = min(self._stop_at, now + STOP_SECONDS)
        if now >= self._stop_at:
            raise Stopped("the gateway stops")
        if now >= self._begun + self.whole:
            raise TimeoutError(f"not within {self.whole:.2g} s as a whole")
        if now >= self._since + self._silence:
            raise TimeoutError(f"no progress within {self._silence:.2g} s")
        return min(self._begun + self.whole, self._since + self._silence, self._stop_at) - now


class Connection:
    """One connection: PDUs in both directions.

    Its methods raise `OSError` where the connection is over or fails, `TimeoutError` where patience ends,
    `Stopped`, and `Malformed` where no PDU came.
    """

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._is_closed_by_peer = False
        self._is_within_pdu = False

    # --- beginning and end

    def open(self, host: str, port: int) -> None:
        """Connect to one of the host's addresses, each in turn (RFC 6724), all of them within patience.

        Raises
        ------
        socket.gaierror, UnicodeError
            If the host is not known.
        NotConnected
            If none of them takes the connection.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failures = []
        end = monotonic() + self.patience.seconds
        for tried, (family, kind, protocol, _, address) in enumerate(found):
            self.patience.begin(seconds=max(0.0, end - monotonic()) / (len(found) - tried))
            try:
                self._connect(socket.socket(family, kind, protocol), address)
            except OSError as error:
                failures.append((str(address[0]), _why(error, self.patience)))
                self.close()
            else:
                return
        raise NotConnected(_in_one(failures))

    def _connect(self, plain: socket.socket, address: object) -> None:
        self._socket = plain
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        with suppress(BlockingIOError):
            plain.connect(address)  # type: ignore[arg-type]
        self._wait(select.POLLOUT)
        failed = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise OSError(failed, os.strerror(failed))

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands for TLS; `host` must be named by the peer's certificate."""
        secured = context.wrap_socket(self._link, server_hostname=host, do_handshake_on_connect=False)
        self._socket = secured
        self.patience.begin()
        self._when_ready(secured.do_handshake, select.POLLIN)

    def close(self) -> None:
        """Close the connection; what the peer has not taken of a broken PDU is dropped."""
        if self._socket is None:
            return
        with suppress(OSError):
            if self._is_within_pdu:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self._socket.close()
        self._socket = None

    @property
    def _link(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionAbortedError("the connection is closed")
        return self._socket

    # --- sending

    def send(self, pdus: bytes) -> None:
        """Send whole PDUs. Each byte that the peer takes is progress."""
        rest = memoryview(pdus)
        self._is_within_pdu = True
        while rest:
            record = rest[:_RECORD_BYTES] if isinstance(self._socket, ssl.SSLSocket) else rest
            rest = rest[self._when_ready(partial(self._link.send, record), select.POLLOUT) :]
            self.patience.go_on()
        self._is_within_pdu = False

    def send_if_possible(self, pdu: bytes) -> None:
        """Send a last PDU where that needs no waiting; never in the middle of another one."""
        if self._socket is not None and not self._is_within_pdu:
            with suppress(OSError):
                self._is_within_pdu = self._socket.send(pdu) != len(pdu)

    # --- receiving

    def has_begun(self) -> bool:
        """Tell whether a PDU, or a part of one, has come; does not wait.

        Raises
        ------
        ConnectionResetError
            If nothing more can come.
        """
        if not self._received and not self._is_closed_by_peer:
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._fill()
        if not self._received and self._is_closed_by_peer:
            raise ConnectionResetError("closed")
        return bool(self._received)

    def receive(self) -> tuple[int, bytes]:
        """Return the type and the content of the next PDU (PS3.8 9.3.1)."""
        head = self._read(6)
        kind, length = struct.unpack(">BxI", head)
        if not 1 <= kind <= 7:
            raise unrecognised(head)
        if length > MAX_PDU_BYTES:
            raise Malformed(f"the peer claims a PDU of {length} bytes; at most {MAX_PDU_BYTES} are read")
        return kind, self._read(length)

    def take(self, limit: int) -> bytes:
        """Return the next bytes, at most `limit`; none once the peer has closed the connection."""
        while not self._received and not self._is_closed_by_peer:
            self._when_ready(self._fill, select.POLLIN)
        taken = bytes(self._received[:limit])
        del self._received[:limit]
        return taken

    def _read(self, count: int) -> bytes:
        while len(self._received) < count:
            if self._is_closed_by_peer:
                raise ConnectionResetError("closed")
            self._when_ready(self._fill, select.POLLIN)
        read = bytes(self._received[:count])
        del self._received[:count]
        return read

    def _fill(self) -> None:
        chunk = self._link.recv(_READ_BYTES)
        self._received += chunk
        self._is_closed_by_peer = not chunk

    # --- waiting

    def _when_ready(self, operation: Callable[[], _T], events: int) -> _T:
        """Carry an operation out as soon as the connection lets it."""
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)
            except BlockingIOError:
                self._wait(events)

    def _wait(self, events: int) -> None:
        if events == select.POLLIN:
            acknowledge_at_once(self._link)
        poll = select.poll()
        poll.register(self._link, events)
        unacknowledged = self._unacknowledged_bytes()
        while not poll.poll(1000 * min(_LOOK_SECONDS, self.patience.left())):
            left = self._unacknowledged_bytes()
            if left != unacknowledged:  # a slow link carries away what was handed to the system
                self.patience.go_on()
            unacknowledged = left

    def _unacknowledged_bytes(self) -> int:
        """Linux, tcp(7): SIOCOUTQ is TIOCOUTQ."""
        (count,) = struct.unpack("i", ioctl(self._link.fileno(), termios.TIOCOUTQ, bytes(4)))
        return int(count)


def _why(error: OSError, patience: Patience) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"no connection within {patience.whole:.2g} s"
    return (error.strerror or str(error)).lower()


def _in_one(failures: list[tuple[str, str]]) -> str:
    if len(failures) == 1:
        return failures[0][1]
    return "; ".join(f"{address}: {why}" for address, why in failures)

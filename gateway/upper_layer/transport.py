"""Reads and writes whole PDUs on a connection within deadlines. `provider` calls it.

No memory is allocated for a claimed length before it is checked. pynetdicom waits without limit for the rest
of a PDU and for a peer that does not read, and allocates the claimed length.

Private name of pynetdicom used here: `AssociationSocket._shutdown_socket`.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, cast

from pynetdicom import evt
from pynetdicom.transport import AssociationSocket

from gateway.upper_layer.bell import Bell
from gateway.upper_layer.endings import Malformed, unrecognised

if TYPE_CHECKING:
    from pynetdicom.association import Association

    from gateway.upper_layer.provider import Provider

MAX_PDU_BYTES = 1024 * 1024
"""Longest P-DATA-TF accepted, in bytes: eight times the advertised Maximum Length."""

MAX_CONTROL_PDU_BYTES = 256 * 1024
"""Longest other PDU accepted, in bytes: 128 presentation contexts of 60 transfer syntaxes each."""

READ_AHEAD_BYTES = 512 * 1024
"""Bytes read in one go from an associated peer: four PDUs of the advertised Maximum Length."""

MIN_BYTES_PER_SECOND = 1024
"""Least pace of a PDU or message beyond its timeout: slower than any modem."""

SEND_BUFFER_BYTES = 512 * 1024
"""Kernel send buffer, in bytes; a larger buffer would hide a slow peer."""

_HEAD = struct.Struct(">BxI")
_FIRST_READ_BYTES = 4096
P_DATA_TF = 4
_LAST_PDU_TYPE = 7


def shake_hands(secured: ssl.SSLSocket, deadline: float) -> None:
    """Perform the TLS handshake of a connection by `deadline` (seconds, monotonic clock).

    The timeout of a socket restarts with every byte, so it cannot bound a handshake.

    Raises
    ------
    OSError
        When the handshake fails (`ssl.SSLError`) or takes too long (`TimeoutError`).
    """
    secured.settimeout(0)
    while True:
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            awaited = select.POLLIN
        except ssl.SSLWantWriteError:
            awaited = select.POLLOUT
        else:
            return
        if not _is_ready(secured, awaited, deadline):
            raise TimeoutError("the TLS handshake timed out")


def acknowledge_at_once(connection: socket.socket) -> None:
    """Have the next segment acknowledged as it comes; the wish does not last beyond the wait that follows.

    A peer that writes a message in pieces, as DCMTK does, sends the next piece when the one before is
    acknowledged (RFC 896), and Linux delays that by 40 ms (tcp(7): TCP_QUICKACK).
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _is_ready(connection: socket.socket, event: int, deadline: float) -> bool:
    """Wait for data, or for room to send; return False at `deadline` (seconds, monotonic clock)."""
    polled = select.poll()
    polled.register(connection, event)
    if event == select.POLLIN:
        acknowledge_at_once(connection)
    left = deadline - monotonic()
    return bool(polled.poll(None if left == float("inf") else max(0.0, left) * 1000))


class PDUSocket(AssociationSocket):
    """A connected socket that reads and writes whole PDUs.

    Parameters
    ----------
    connection
        Connected socket after its TLS handshake.
    timeout_seconds
        Longest time for one PDU to arrive, and for a write to make progress; None: no limit.
    deadline
        Time (monotonic clock) by which the association must be established; None: no limit. See
        `lift_deadline`.
    """

    def __init__(
        self,
        assoc: Association,
        connection: socket.socket,
        timeout_seconds: float | None,
        deadline: float | None = None,
    ) -> None:
        super().__init__(assoc, client_socket=connection)
        self._timeout = timeout_seconds or float("inf")
        self._deadline = deadline or float("inf")
        self._buffer = memoryview(bytearray(_FIRST_READ_BYTES))
        self._start = self._end = 0
        self.bell = Bell()
        self.has_read = False

    @property
    def patience(self) -> float:
        """The longest time for one PDU to arrive, in seconds."""
        return self._timeout

    def lift_deadline(self) -> None:
        """Remove the deadline: the association is established."""
        self._deadline = float("inf")

    @property
    def has_buffered(self) -> bool:
        """True while bytes that were read ahead are buffered."""
        return self._end > self._start

    @property
    def ready(self) -> bool:
        """True where data can be read without waiting."""
        return self.wait(0)

    def wait(self, seconds: float | None) -> bool:
        """Wait until data can be read, the bell rings, or `seconds` are over; return whether data can be
        read."""
        connection = self.socket
        if connection is None:
            return self.bell.wait(None, seconds)
        if self.has_buffered or (isinstance(connection, ssl.SSLSocket) and connection.pending()):
            return True
        acknowledge_at_once(connection)
        return self.bell.wait(connection.fileno(), seconds)

    def read_pdu(self) -> tuple[int, memoryview] | None:
        """Return type and body of the next PDU, or None when the peer has closed between PDUs.

        The body is valid until the next call.

        Raises
        ------
        Malformed
            When the type is undefined or the claimed length exceeds the bound.
        OSError
            When the connection breaks (`ConnectionError`), or the PDU takes too long (`TimeoutError`).
        """
        until = monotonic() + self._timeout
        if not self._fill(1, until):
            return None
        self.has_read = True
        if not self._fill(_HEAD.size, until):
            if self._buffer[self._start] not in range(1, _LAST_PDU_TYPE + 1):
                raise unrecognised(bytes(self._buffer[self._start : self._end]))
            raise ConnectionError("the peer closed the connection within a PDU")
        kind, length = _HEAD.unpack_from(self._buffer, self._start)
        if not 1 <= kind <= _LAST_PDU_TYPE:
            raise unrecognised(bytes(self._buffer[self._start : self._start + _HEAD.size]))
        bound = MAX_PDU_BYTES if kind == P_DATA_TF else MAX_CONTROL_PDU_BYTES
        if length > bound:
            raise Malformed(f"the peer claims a PDU of {length} bytes; at most {bound} are read")
        if not self._fill(_HEAD.size + length, until):
            raise ConnectionError("the peer closed the connection within a PDU")
        body = self._buffer[self._start + _HEAD.size : self._start + _HEAD.size + length]
        self._start += _HEAD.size + length
        return kind, body

    def send(self, bytestream: bytes) -> None:
        """Write a PDU; a peer that accepts data too slowly loses its connection (Evt17)."""
        connection = self.socket
        if connection is None:
            return  # closed already, with its cause
        until = monotonic() + self._timeout + len(bytestream) / MIN_BYTES_PER_SECOND
        left = memoryview(bytestream)
        try:
            while left:
                connection.settimeout(_seconds(min(self._timeout, until - monotonic())))
                left = left[connection.send(left) :]
        except OSError as error:
            cast("Provider", self.assoc.dul).end(write_cause(error, self._timeout))
            self.event_queue.put("Evt17")
        else:
            evt.trigger(self.assoc, evt.EVT_DATA_SENT, {"data": bytestream})

    def read_on(self) -> bool:
        """Read what has come already, without waiting; return whether there is any.

        Raises
        ------
        OSError
            When the connection breaks.
        """
        connection = self.socket
        if connection is None:
            return False
        self._make_room(1)
        try:
            return self._receive(connection) > 0
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False

    def discard(self, limit: int) -> int:
        """Discard up to `limit` received bytes; return their number."""
        count, self._start = self._end - self._start, self._end
        connection = self.socket
        with suppress(OSError):
            if not count and connection is not None and self.ready:
                connection.settimeout(0.001)
                count = len(connection.recv(min(limit, READ_AHEAD_BYTES)))
        return count

    def _fill(self, count: int, until: float) -> bool:
        """Read until `count` bytes are buffered; return False when the peer closes before."""
        connection = cast(socket.socket, self.socket)
        until = min(until, self._deadline)
        while self._end - self._start < count:
            self._make_room(count)
            if until <= monotonic():
                raise TimeoutError
            try:
                if not self._receive(connection):
                    return False
                continue
            except (BlockingIOError, ssl.SSLWantReadError):
                awaited = select.POLLIN
            except ssl.SSLWantWriteError:
                awaited = select.POLLOUT
            _is_ready(connection, awaited, until)
        return True

    def _receive(self, connection: socket.socket) -> int:
        """Read what has come into the buffer, without waiting; return the number of bytes, 0 at the end.

        A socket with a timeout would be polled before each read.
        """
        if connection.gettimeout() != 0:  # a write sets another one
            connection.settimeout(0)
        received = connection.recv_into(self._buffer[self._end :])
        self._end += received
        return received

    def _make_room(self, count: int) -> None:
        """Move the buffered bytes to the beginning, and enlarge the buffer for a long PDU."""
        size = len(self._buffer)
        if self._start == self._end:
            self._start = self._end = 0
        if self.assoc.is_established:
            size = max(size, READ_AHEAD_BYTES)
        size = max(size, count)
        if size > len(self._buffer) or self._start + count > len(self._buffer):
            target = self._buffer if size == len(self._buffer) else memoryview(bytearray(size))
            held = self._end - self._start
            target[:held] = self._buffer[self._start : self._end]
            self._buffer, self._start, self._end = target, 0, held

    def _shutdown_socket(self) -> None:
        """Close the socket even after a reset by the peer; pynetdicom leaves that to garbage collection."""
        connection = self.socket
        if connection is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            connection.close()


def write_cause(error: OSError, seconds: float) -> str:
    """Return the cause of a failed write."""
    if isinstance(error, TimeoutError):
        return f"the peer took no data for {seconds:g} s"
    return f"the connection broke while data were sent ({error.strerror or error})"


def _seconds(left: float) -> float | None:
    """Return a socket timeout: None for no limit; never 0, which means non-blocking."""
    return None if left == float("inf") else max(left, 0.001)

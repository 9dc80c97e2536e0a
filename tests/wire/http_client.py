"""An HTTP client made of bytes: sends exactly what it is told, and reads one answer or the end."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE_SECONDS = 60.0
"""No server of the tests takes so long: a bound for hangs alone."""
CLOSED = 0
"""In place of a status: the connection was closed without an answer."""


@dataclass(frozen=True)
class Answer:
    """What came back: a status, or `CLOSED`, and everything after the status line."""

    status: int
    text: str


class HttpClient:
    """One connection to a server."""

    def __init__(self, url: str, receive_buffer: int | None = None) -> None:
        address = urlsplit(url)
        self._received = b""
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect((address.hostname, address.port))

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send each piece by itself; what the other side no longer takes is not sent."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self) -> Answer:
        """Return the next whole answer."""
        while (end := self._received.find(b"\r\n\r\n") + 4) < 4:
            if not self._receive():
                return Answer(CLOSED, self._received.decode("latin-1"))
        end += _length(self._received[:end])
        while len(self._received) < end and self._receive():
            pass
        whole, self._received = self._received[:end], self._received[end:]
        return Answer(int(whole.split(b" ", 2)[1]), whole.partition(b"\r\n")[2].decode("latin-1"))

    def is_closed(self) -> bool:
        """Wait until the server has closed the connection; what it still sends is thrown away."""
        while self._receive():
            self._received = b""
        return True

    def is_dropped(self) -> bool:
        """Wait, without reading, until the server has given the connection up."""
        poll = select.poll()
        poll.register(self.socket, 0)  # errors and a hang-up are always told
        return bool(poll.poll(PATIENCE_SECONDS * 1000))

    def _receive(self) -> bool:
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self._received += piece
        return bool(piece)


def request(
    target: str = "/health/live",
    *headers: str,
    method: str = "GET",
    body: bytes = b"",
    host: str | None = "127.0.0.1",
    version: str = "1.1",
) -> bytes:
    """Return a request; `body` gets its Content-Length unless `headers` say how it is framed."""
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host is not None else []), *headers]
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(pieces: Iterable[bytes]) -> bytes:
    """Return a body in chunks (RFC 9112 7.1)."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def multipart(*parts: bytes, boundary: str = "B") -> bytes:
    """Return a body of parts, each with its headers."""
    delimiter = f"--{boundary}".encode()
    return b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0

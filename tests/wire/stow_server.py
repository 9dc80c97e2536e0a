"""A DICOMweb server made of bytes: each answer is a script that may write, wait, drip or hang up.

A script gets the connection and the request; when it returns, the connection is closed. A script without an
end goes on until the client leaves.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import repeat
from typing import Any

from pydicom import dcmread

from tests.support.gateway_process import PATIENCE_SECONDS

JSON = "application/dicom+json"
DRIP_SECONDS = 0.02


@dataclass(frozen=True)
class Request:
    """A request as it came; `uid` is of the object in a POST."""

    target: str
    head: bytes
    body: bytes

    @property
    def uid(self) -> str:
        content = re.split(rb"\r\n\r\n", self.body, maxsplit=1)[1]
        return str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)

    def header(self, name: str) -> str | None:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines).get(name)


Script = Callable[[socket.socket, Request], None]


@dataclass
class StowServer:
    """What came, in order, by method; `left` counts clients that left a script without an end."""

    port: int
    posts: list[Request] = field(default_factory=list)
    gets: list[Request] = field(default_factory=list)
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@contextmanager
def stow_server(
    *posts: Script,
    search: Script | None = None,
    metadata: Script | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[StowServer]:
    """Serve POSTs by the scripts in turn, the last again and again; a look-up without a script is a 404.

    The server speaks HTTPS given a context.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    server = StowServer(listening.getsockname()[1])
    missing = say(404)

    def serve(accepted: socket.socket) -> None:
        accepted.settimeout(PATIENCE_SECONDS)
        with (
            suppress(OSError),
            tls.wrap_socket(accepted, server_side=True) if tls else accepted as connection,
        ):
            request = _read(connection)
            if request is None:
                return
            method = request.head.partition(b" ")[0]
            (server.posts if method == b"POST" else server.gets).append(request)
            if method == b"POST":
                script = posts[min(len(server.posts), len(posts)) - 1]
            else:
                script = (search if "?SOPInstanceUID=" in request.target else metadata) or missing
            try:
                script(connection, request)
            except OSError:
                server.left.release()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    parts = [body]
    missing = length - len(body)
    while missing > 0 and (chunk := connection.recv(65536)):
        parts.append(chunk)
        missing -= len(chunk)
    return Request(head.split(b" ")[1].decode(), head, b"".join(parts))


# --- scripts


def head(status: int, *lines: str, reason: str = "Reason") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} {reason}", *lines, "", ""]).encode("latin-1")


def say(
    status: int, content: bytes | Callable[[str], bytes] = b"", media_type: str = JSON, *lines: str
) -> Script:
    """Answer with a body, which may depend on the object's UID."""

    def script(connection: socket.socket, request: Request) -> None:
        body = content(request.uid) if callable(content) else content
        fixed = (f"Content-Type: {media_type}", f"Content-Length: {len(body)}")
        connection.sendall(head(status, *fixed, *lines) + body)

    return script


def write(*chunks: bytes) -> Script:
    """Write these bytes, then hang up."""

    def script(connection: socket.socket, _: Request) -> None:
        for chunk in chunks:
            connection.sendall(chunk)

    return script


def drip(first: bytes, chunk: bytes) -> Script:
    """Write `first`, then `chunk` again and again, with pauses, until the client leaves."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(first)
        pause = threading.Event()
        while not pause.wait(DRIP_SECONDS):
            connection.sendall(chunk)

    return script


def flood(first: bytes, chunk: bytes) -> Script:
    """Write `first`, then `chunk` as fast as the client reads, until it leaves."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(first)
        for each in repeat(chunk):
            connection.sendall(each)

    return script


def silence(first: bytes = b"") -> Script:
    """Write `first`, then nothing until the client leaves."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(first)
        if not connection.recv(1):
            raise ConnectionResetError

    return script


# --- answers


def stored(uid: str) -> dict[str, Any]:
    """Return the module that names the object as stored."""
    return {"00081199": {"vr": "SQ", "Value": [_reference(uid)]}}


def failed(uid: str, reason: Any) -> dict[str, Any]:
    """Return the module that names the object as not stored."""
    reasons = {} if reason is None else {"00081197": {"vr": "US", "Value": [reason]}}
    return {"00081198": {"vr": "SQ", "Value": [_reference(uid) | reasons]}}


def found(uid: str) -> bytes:
    """Return a search result, or metadata, of the object."""
    return as_json([{"00080018": {"vr": "UI", "Value": [uid]}}])


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode()


def as_xml(uid: str, sequence: str = "00081199", reason: str = "") -> bytes:
    """Return the module in the Native DICOM Model (PS3.19 A.1)."""
    reason_element = (
        f'<DicomAttribute tag="00081197" vr="US"><Value number="1">{reason}</Value></DicomAttribute>'
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        f'<DicomAttribute tag="{sequence}" vr="SQ"><Item number="1">'
        f'<DicomAttribute tag="00081155" vr="UI"><Value number="1">{uid}</Value></DicomAttribute>'
        f"{reason_element if reason else ''}</Item></DicomAttribute></NativeDicomModel>"
    ).encode()


def _reference(uid: str) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00081155": {"vr": "UI", "Value": [uid]},
    }


STORES = say(200, lambda uid: as_json(stored(uid)))
"""The script of a server that stores every object and names it."""

"""An MLLP listener made of bytes: each message is answered by a script that may write, wait, drip or hang up.

A script gets the connection and the message. The next message is read from the same connection, until a
script returns False or the sender leaves. A script without an end goes on until the sender leaves.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import repeat

from tests.support.gateway_process import PATIENCE_SECONDS

PAUSE_SECONDS = 0.02  # between what a script drips
HANG_UP = False

Script = Callable[[socket.socket, bytes], bool | None]


@dataclass
class MllpServer:
    """What came, in order: the messages, and the number of the connection of each."""

    port: int
    messages: list[bytes] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Counts senders that left a script without an end."""

    @property
    def control_ids(self) -> list[str]:
        return [control_id(each) for each in self.messages]


@contextmanager
def mllp_server(*scripts: Script, tls: ssl.SSLContext | None = None) -> Iterator[MllpServer]:
    """Answer messages by the scripts in turn, the last again and again."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = MllpServer(listening.getsockname()[1])
    lock = threading.Lock()

    def serve(accepted: socket.socket, number: int) -> None:
        accepted.settimeout(PATIENCE_SECONDS)
        with (
            suppress(OSError),
            tls.wrap_socket(accepted, server_side=True) if tls else accepted as connection,
        ):
            buffer = bytearray()
            while (message := _read(connection, buffer)) is not None:
                with lock:
                    server.messages.append(message)
                    server.connections.append(number)
                    script = scripts[min(len(server.messages), len(scripts)) - 1]
                try:
                    if script(connection, message) is HANG_UP:
                        return
                except OSError:
                    server.left.release()
                    return

    def accept() -> None:
        number = 0
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                number += 1
                threading.Thread(target=serve, args=(connection, number), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _read(connection: socket.socket, buffer: bytearray) -> bytes | None:
    """Return the next message: exactly a frame, with nothing before or behind it."""
    while b"\x1c\r" not in buffer:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        buffer += chunk
    frame, _, rest = bytes(buffer).partition(b"\x1c\r")
    buffer[:] = rest
    assert frame.startswith(b"\x0b"), frame
    return frame[1:]


def control_id(message: bytes) -> str:
    return message.split(b"\r")[0].split(b"|")[9].decode()


# --- answers


def framed(content: bytes) -> bytes:
    return b"\x0b" + content + b"\x1c\r"


def ack(code: str, message_id: str, *more: str, end: str = "\r") -> bytes:
    """Return the content of an acknowledgement."""
    head = "MSH|^~\\&|RIS|SITE|CXR_GATEWAY||20261126101500||ACK^R01^ACK|77|P|2.5.1"
    return end.join(
        [head, f"MSA|{code}|{message_id}" + (f"|{more[0]}" if more else ""), *more[1:], ""]
    ).encode()


def say(code: str, *more: str, end: str = "\r", message_id: str | None = None) -> Script:
    """Acknowledge the message, or another one."""

    def script(connection: socket.socket, message: bytes) -> None:
        named = control_id(message) if message_id is None else message_id
        connection.sendall(framed(ack(code, named, *more, end=end)))

    return script


def write(make: Callable[[str], list[bytes]], *, hang_up: bool = False) -> Script:
    """Write what `make` makes of the control ID, each piece by itself."""

    def script(connection: socket.socket, message: bytes) -> bool | None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, piece in enumerate(make(control_id(message))):
            if number:
                threading.Event().wait(PAUSE_SECONDS)
            connection.sendall(piece)
        return HANG_UP if hang_up else None

    return script


def hang_up(connection: socket.socket, message: bytes) -> bool:  # noqa: ARG001
    """Close the connection without an answer."""
    return HANG_UP


def silence(before: bytes = b"") -> Script:
    """Say no more than this, until the sender leaves."""

    def script(connection: socket.socket, message: bytes) -> None:  # noqa: ARG001
        connection.sendall(before)
        if connection.recv(1) == b"":
            raise ConnectionResetError

    return script


def drip(piece: bytes) -> Script:
    """Write a piece again and again, with pauses, until the sender leaves."""

    def script(connection: socket.socket, message: bytes) -> None:  # noqa: ARG001
        pause = threading.Event()
        for each in repeat(piece):
            connection.sendall(each)
            pause.wait(PAUSE_SECONDS)

    return script


def flood(piece: bytes) -> Script:
    """Write a piece again and again, as fast as it is taken."""

    def script(connection: socket.socket, message: bytes) -> None:  # noqa: ARG001
        for each in repeat(piece):
            connection.sendall(each)

    return script

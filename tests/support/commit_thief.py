"""A TCP proxy before PostgreSQL that loses the next COMMIT, or its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Self

COMMIT = b"COMMIT\0"  # the text of the message Query


class Theft(Enum):
    """Interference with one COMMIT."""

    ANSWER = "the server commits, and the connection is lost before its answer"
    SILENCE = "the server commits, and its answer never comes, though the connection stays"
    COMMIT = "the connection is lost before the server sees the COMMIT"


class CommitThief:
    """Passes everything on, but for the next COMMIT once it is armed."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._armed: Theft | None = None
        self.stolen = 0
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._sockets):
            _end(each)

    @contextmanager
    def steals(self, theft: Theft) -> Iterator[None]:
        """Interfere with the next COMMIT; there is one within the block."""
        before, self._armed = self.stolen, theft
        yield
        assert self.stolen == before + 1

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server))
                except ConnectionRefusedError:
                    _end(client)
                    continue
                self._sockets += [client, server]
                stolen: list[Theft] = []
                for carry in (self._carry_questions, self._carry_answers):
                    threading.Thread(target=carry, args=(client, server, stolen), daemon=True).start()

    def _carry_questions(self, client: socket.socket, server: socket.socket, stolen: list[Theft]) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if data.endswith(COMMIT) and self._armed:
                    stolen.append(self._armed)
                    self._armed, self.stolen = None, self.stolen + 1
                    if stolen[0] is Theft.COMMIT:
                        break
                server.sendall(data)
        _end(server)
        _end(client)

    def _carry_answers(self, client: socket.socket, server: socket.socket, stolen: list[Theft]) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if not stolen:
                    client.sendall(data)
                elif stolen[0] is Theft.ANSWER:
                    break
        if Theft.SILENCE not in stolen:
            _end(client)


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()

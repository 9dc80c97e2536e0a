"""A requestor made of bytes: says what it is told to, and names what it hears."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.wire import pdus

DEADLINE_SECONDS = 30.0
"""How long any answer may take: a bound for hangs, far beyond what a loaded machine needs."""

CLOSED = "closed"
_SIX_BYTES = 6  # of a PDU's and of a presentation data value's header


@dataclass(frozen=True)
class Heard:
    """One PDU of the acceptor."""

    kind: int
    body: bytes

    def __str__(self) -> str:
        """Return it in words, with what matters of its body."""
        if self.kind == pdus.ASSOCIATE_AC:
            return "accepted"
        if self.kind == pdus.ASSOCIATE_RJ:
            return "rejected {}/{}/{}".format(*self.body[1:4])
        if self.kind == pdus.ABORT:
            return "aborted {}/{}".format(*self.body[2:4])
        return {pdus.RELEASE_RP: "released", pdus.P_DATA_TF: "data"}.get(self.kind, f"PDU {self.kind}")


class Requestor:
    """One connection; `source` is the address that it comes from, any of 127.0.0.0/8."""

    def __init__(self, address: tuple[str, int], source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(address, DEADLINE_SECONDS, source_address=(source, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, parts: bytes | Iterable[bytes]) -> None:
        """Send bytes; the acceptor may have had enough before they end."""
        with suppress(ConnectionError):
            for part in [parts] if isinstance(parts, bytes) else parts:
                self.socket.sendall(part)

    def finish(self, last_words: bytes) -> None:
        """Send bytes, and nothing any more."""
        self.say(last_words)
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def hear(self) -> Heard | None:
        """Return the next PDU, None when the connection has been closed."""
        head = self._read(_SIX_BYTES)
        if len(head) < _SIX_BYTES:
            return None
        kind, length = struct.unpack(">BxI", head)
        return Heard(kind, self._read(length))

    def hear_all(self) -> list[str]:
        """Return everything until the connection is closed, in words."""
        return [str(heard) for heard in iter(self.hear, None)] + [CLOSED]

    def hear_message(self) -> dict[int, bytes] | None:
        """Return the elements of the next message's command set, None when something else comes."""
        command, is_last = b"", False
        while not is_last:
            heard = self.hear()
            if heard is None or heard.kind != pdus.P_DATA_TF:
                return None
            command += heard.body[_SIX_BYTES:]
            is_last = bool(heard.body[_SIX_BYTES - 1] & 2)
        return elements_of(command)

    def ask(self, context_id: int, command: bytes, data: bytes | None = None) -> int | None:
        """Send a request; return the status of its answer, None where none comes."""
        self.say(pdus.p_data(context_id, command, command=True))
        if data is not None:
            self.say(pdus.p_data(context_id, data, command=False))
        answer = self.hear_message()
        return None if answer is None else int.from_bytes(answer[0x0900], "little")

    def _read(self, count: int) -> bytes:
        received = b""
        with suppress(ConnectionError):
            while len(received) < count and (part := self.socket.recv(count - len(received))):
                received += part
        return received


def elements_of(command: bytes) -> dict[int, bytes]:
    """Return the elements of a command set, by their number in group 0000."""
    found, offset = {}, 0
    while offset < len(command):
        _, number, length = struct.unpack_from("<HHI", command, offset)
        found[number] = command[offset + 8 : offset + 8 + length]
        offset += 8 + length
    return found

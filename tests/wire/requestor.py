"""A requestor made of bytes: honest, or as wrong as a test wants it. It names the answers that it hears."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.support.gateway_process import PATIENCE_SECONDS
from tests.wire import pdus

CLOSED = "closed"
FRAGMENT_BYTES = 60_000
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


@dataclass(frozen=True)
class Response:
    """Status and Error Comment of a DIMSE response."""

    status: int
    comment: str


class Requestor:
    """One connection; `source` is its own address, any of 127.0.0.0/8."""

    def __init__(self, address: tuple[str, int], source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(address, PATIENCE_SECONDS, source_address=(source, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave without a word."""
        self.socket.close()

    # --- any bytes

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

    def hear_response(self) -> Response | None:
        """Return the next response, None when something else comes."""
        command, is_last = b"", False
        while not is_last:
            heard = self.hear()
            if heard is None or heard.kind != pdus.P_DATA_TF:
                return None
            command += heard.body[_SIX_BYTES:]
            is_last = bool(heard.body[_SIX_BYTES - 1] & 2)
        answer = pdus.elements_of(command)
        comment = answer.get(0x00000902, b"").decode("ascii").rstrip(" ")
        return Response(int.from_bytes(answer[0x00000900], "little"), comment)

    # --- what honest requestors do

    def associate(
        self,
        *sop_classes: str,
        transfer_syntax_uid: str = pdus.EXPLICIT_VR.decode(),
        called: str = "CXR_GATEWAY",
        calling: str = "RAW",
    ) -> Heard | None:
        """Propose one context per SOP class, numbered 1, 3, 5 …; return the answer."""
        contexts = [
            pdus.proposed_context(2 * number + 1, each.encode(), transfer_syntax_uid.encode())
            for number, each in enumerate(sop_classes)
        ]
        titles = {"called": called.encode(), "calling": calling.encode()}
        self.say(pdus.associate(pdus.ASSOCIATE_RQ, contexts, **titles))
        return self.hear()

    def ask(self, context_id: int, command: bytes, data: bytes | None = None) -> Response | None:
        """Send a request; return its response, None where none comes."""
        self.say(pdus.p_data(context_id, command, command=True))
        if data is not None:
            self.say(_fragments(context_id, data))
        return self.hear_response()

    def store(self, sop_class_uid: str, sop_instance_uid: str, data: bytes | None) -> Response | None:
        """Send a C-STORE request in the first context; without `data` it has no data set."""
        data_set = pdus.NO_DATA_SET if data is None else pdus.DATA_SET
        return self.ask(1, pdus.c_store_rq(sop_class_uid, sop_instance_uid, data_set=data_set), data)

    def release(self) -> Heard | None:
        """Ask for the release; return the answer."""
        self.say(pdus.release_rq())
        return self.hear()

    def _read(self, count: int) -> bytes:
        received = b""
        with suppress(ConnectionError):
            while len(received) < count and (part := self.socket.recv(count - len(received))):
                received += part
        return received


def _fragments(context_id: int, data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data) or 1, FRAGMENT_BYTES):
        end = start + FRAGMENT_BYTES
        yield pdus.p_data(context_id, data[start:end], command=False, last=end >= len(data))

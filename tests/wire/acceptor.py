"""An acceptor made of bytes: each of its connections follows a script, honest ones or others.

A script is a function of a `Link`. It may do whatever a PACS may do wrong; when it returns, the connection is
closed. `honest` is the script of a PACS that does all things right.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.wire import pdus

HANG_SECONDS = 60.0  # only a peer that hangs waits for so long


class PeerGoneError(Exception):
    """The other side has closed, aborted or reset the connection."""


@dataclass(frozen=True)
class Request:
    """A DIMSE request that came in, with its data set."""

    context_id: int
    command: dict[int, bytes]
    data: bytes

    @property
    def message_id(self) -> int:
        return int.from_bytes(self.command[0x00000110], "little")

    @property
    def sop_instance_uid(self) -> str:
        return self.command[0x00001000].rstrip(b"\0").decode()


class Link:
    """One accepted connection, PDU by PDU."""

    def __init__(self, connection: socket.socket, acceptor: Acceptor) -> None:
        connection.settimeout(HANG_SECONDS)
        self.socket = connection
        self.acceptor = acceptor
        self.contexts: list[int] = []

    # --- reading

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                chunk = self.socket.recv(count - len(data))
            except OSError as error:
                raise PeerGoneError from error
            if not chunk:
                raise PeerGoneError
            data += chunk
        return data

    def pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self.read(6))
        return kind, self.read(length)

    def request_association(self) -> bytes:
        """Read the A-ASSOCIATE-RQ; note the IDs that it proposes."""
        kind, body = self.pdu()
        assert kind == pdus.ASSOCIATE_RQ
        self.contexts = [item[0] for code, item in items(body[68:]) if code == 0x20]
        return body

    def request(self) -> Request:
        """Read the next DIMSE request."""
        parts: dict[bool, bytes] = {True: b"", False: b""}
        command: dict[int, bytes] | None = None
        while True:
            context_id, is_command, is_last, fragment = self.fragment()
            parts[is_command] += fragment
            if is_last and is_command:
                command = pdus.elements_of(parts[True])
            if is_last and command and (not is_command or command[0x00000800] == pdus.us(pdus.NO_DATA_SET)):
                return Request(context_id, command, parts[False])

    def fragment(self) -> tuple[int, bool, bool, bytes]:
        """Read a P-DATA-TF with one presentation data value."""
        kind, body = self.pdu()
        if kind == pdus.RELEASE_RQ:
            self.send(pdus.release_rp())
        if kind != pdus.P_DATA_TF:
            raise PeerGoneError
        context_id, header = body[4], body[5]
        return context_id, bool(header & 1), bool(header & 2), body[6:]

    def wait_for_end(self) -> None:
        """Read and throw away until the other side ends the connection."""
        with suppress(PeerGoneError):
            while True:
                self.read(1)

    def rest(self) -> None:
        """Do nothing at all until the acceptor ends."""
        self.acceptor.ended.wait(HANG_SECONDS)

    # --- writing

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise PeerGoneError from error

    def accept(
        self,
        maximum_length: int | None = 16384,
        contexts: Callable[[int], bytes] = lambda number: pdus.answered_context(number, 0),
        **options: bytes,
    ) -> None:
        """Read the request and accept it, as told."""
        self.request_association()
        self.send(self.acceptance(maximum_length, contexts, **options))

    def acceptance(
        self,
        maximum_length: int | None = 16384,
        contexts: Callable[[int], bytes] = lambda number: pdus.answered_context(number, 0),
        **options: bytes,
    ) -> bytes:
        user = options.pop("user", None) or pdus.user_information(maximum_length)
        answered = [contexts(number) for number in self.contexts]
        return pdus.associate(pdus.ASSOCIATE_AC, answered, user=user, **options)  # type: ignore[arg-type]

    def answer(self, request: Request, status: int = 0x0000, **changes: object) -> None:
        self.send(answer_to(request, status, **changes))

    def reset(self) -> None:
        """End the connection by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Link], None]


def honest(link: Link) -> None:
    """Take every object and keep it."""
    link.accept()
    serve(link)


def serve(link: Link) -> None:
    """Go on as an honest PACS, once the association stands."""
    while True:
        request = link.request()
        link.acceptor.stored.append((request.sop_instance_uid, request.data))
        link.answer(request)


def answer_to(request: Request, status: int = 0x0000, **changes: object) -> bytes:
    """Return a C-STORE-RSP; `changes` put something wrong into it."""
    told: dict[str, object] = {
        "command": pdus.C_STORE_RSP,
        "message_id": request.message_id,
        "sop_instance_uid": request.sop_instance_uid,
        "comment": None,
        "context_id": request.context_id,
    } | changes
    context_id = told.pop("context_id")
    command = pdus.response(status=status, **told)  # type: ignore[arg-type]
    return pdus.p_data(context_id, command, command=True)  # type: ignore[arg-type]


@dataclass
class Acceptor:
    """A listening port; `stored` holds the objects that honest scripts took, in order."""

    port: int
    connections: int = 0
    stored: list[tuple[str, bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    faults: list[BaseException] = field(default_factory=list)


@contextmanager
def accepting(scripts: Sequence[Script], receive_buffer: int | None = None) -> Iterator[Acceptor]:
    """Listen on loopback: a script for each connection in turn, then `honest` for all others."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        if receive_buffer is not None:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        acceptor = Acceptor(listening.getsockname()[1])
        left = list(scripts)
        links: list[threading.Thread] = []

        def take() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    acceptor.connections += 1
                    script = left.pop(0) if left else honest
                    links.append(threading.Thread(target=follow, args=(script, connection)))
                    links[-1].start()

        def follow(script: Script, connection: socket.socket) -> None:
            with connection, suppress(PeerGoneError):
                try:
                    script(Link(connection, acceptor))
                except PeerGoneError:
                    raise
                except BaseException as fault:
                    acceptor.faults.append(fault)

        taking = threading.Thread(target=take)
        taking.start()
        try:
            yield acceptor
        finally:
            acceptor.ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            taking.join()
            for link in links:
                link.join()
    assert not acceptor.faults, acceptor.faults


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        kind, length = struct.unpack_from(">BxH", data)
        yield kind, data[4 : 4 + length]
        data = data[4 + length :]

"""Connections: TLS, timeouts and bounds on what a peer may make the gateway hold.

pynetdicom waits without limit for the rest of a PDU, believes the length that it claims, lets a malformed
command end a thread by exception, and does the TLS handshake of one peer while all others wait. What is
overridden here is the least that changes that.
"""

from __future__ import annotations

import queue
import socket
import ssl
import sys
from contextlib import suppress
from select import select
from socketserver import BaseServer
from time import monotonic
from typing import Any, cast

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.events import Event
from pynetdicom.fsm import StateMachine
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from gateway.audit import trail
from gateway.log import log_event
from gateway.receive.association import who
from gateway.receive.memory import Memory
from gateway.tls import ReloadingContext, problem_of

MAX_PDU_BYTES = 1024 * 1024
"""What a PDU may claim: eight times the length that we advertise, which does not bind A-ASSOCIATE-RQ."""

READ_AHEAD_BYTES = 512 * 1024
"""What is read from a connection in one go: four PDUs of the length that we advertise."""

MAX_MESSAGE_BYTES = 512 * 1024 * 1024
"""What one C-STORE may carry: several times the largest radiograph."""

SILENT_SECONDS = 0.25
REST_SECONDS = 0.02
"""After so long a silence a connection's two threads look so much less often: pynetdicom's look every
millisecond, which with 200 silent associations costs a whole core. What comes still wakes them at once."""

MIN_BYTES_PER_SECOND = 1024
"""How slow a message may be once it has taken longer than the idle timeout: slower than any modem."""


class PDUSocket(AssociationSocket):
    """A connection that reads one PDU within the idle timeout, and none that claims too much.

    It reads ahead: each wait for the network costs a turn among all threads, so several PDUs come in one.
    """

    def __init__(self, accepted: AssociationSocket, memory: Memory) -> None:
        vars(self).update(vars(accepted))  # already announced to the state machine: not a second time
        self._memory = memory
        self._buffer = memoryview(bytearray(READ_AHEAD_BYTES))
        self._ahead = self._buffer[:0]

    @property
    def ready(self) -> bool:
        """Tell whether something can be read without waiting, and may be."""
        if not self._may_read():
            self.assoc.dul._idle_timer.restart()  # it is not the peer that is silent
            cast(MessageReader, self.assoc.dimse).restart_clock()
            return False
        if cast(MessageReader, self.assoc.dimse).is_silent and self.socket is not None:
            with suppress(OSError, ValueError):  # it has just been closed
                select([self.socket], [], [], REST_SECONDS)
        return (bool(self._ahead) and self.socket is not None) or super().ready

    def _may_read(self) -> bool:
        """A peer that sends more without waiting for its answer is read no further, as one without room."""
        assoc = self.assoc
        return not assoc.is_established or (assoc.dimse.msg_queue.empty() and self._memory.has_room(assoc))

    def recv(self, nr_bytes: int) -> bytearray:
        """Return `nr_bytes` bytes, or fewer when the peer has closed.

        Raises
        ------
        OSError
            When more is claimed than `MAX_PDU_BYTES`, or it takes too long: the connection is closed.
        """
        if nr_bytes > MAX_PDU_BYTES:
            raise ConnectionAbortedError(f"a PDU of {nr_bytes} bytes is claimed")
        connection = cast(socket.socket, self.socket)
        deadline = monotonic() + (connection.gettimeout() or float("inf"))
        received = bytearray()
        while len(received) < nr_bytes and (self._ahead or self._read_ahead(connection, deadline)):
            taken = self._ahead[: nr_bytes - len(received)]
            received += taken
            self._ahead = self._ahead[len(taken) :]
        return received

    def _read_ahead(self, connection: socket.socket, deadline: float) -> bool:
        if monotonic() > deadline:
            raise TimeoutError("the PDU does not end")
        self._ahead = self._buffer[: connection.recv_into(self._buffer)]
        return bool(self._ahead)

    def _shutdown_socket(self) -> None:
        """Close also what the peer has reset: pynetdicom leaves that to the garbage collector."""
        super()._shutdown_socket()
        if self.socket is not None:
            self.socket.close()


class MessageReader(DIMSEServiceProvider):
    """Puts messages together; one that is none, or that does not end, aborts its association."""

    def __init__(self, assoc: Association, memory: Memory) -> None:
        super().__init__(assoc)
        self._memory = memory
        self._heard = monotonic()
        self.restart_clock()

    @property
    def is_silent(self) -> bool:
        """Tell whether nothing has come for a while."""
        return monotonic() - self._heard > SILENT_SECONDS

    def get_msg(self, block: bool = False) -> Any:
        """Return the next message, or a pair of None; wait a little where nothing is expected."""
        if block or not self.is_silent:
            return super().get_msg(block)
        try:
            return self.msg_queue.get(timeout=REST_SECONDS)
        except queue.Empty:
            return None, None

    def restart_clock(self) -> None:
        """Measure the peer's pace from now on."""
        self._since, self._bytes = monotonic(), 0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the next fragments of a message."""
        if self.message is None:
            self.restart_clock()
        count = sum(len(data) for _, data in primitive.presentation_data_value_list)
        self._bytes += count
        self._heard = monotonic()
        self._memory.hold(self.assoc, count)
        try:
            super().receive_primitive(primitive)
            self._check_size()
            self._check_pace()
        except Exception as error:
            log_event("refused", reason=f"no DIMSE message: {error!r}", **who(self.assoc))
            self.message = None
            self.dul.event_queue.put("Evt19")  # invalid PDU (PS3.8 Table 9-10): A-ABORT

    def _check_pace(self) -> None:
        taken = monotonic() - self._since
        patience = self.assoc.ae.network_timeout or float("inf")
        if self.message is not None and taken > patience and self._bytes < taken * MIN_BYTES_PER_SECOND:
            raise TimeoutError(f"slower than {MIN_BYTES_PER_SECOND} bytes a second")

    def _check_size(self) -> None:
        message = self.message
        parts = (message.encoded_command_set, message.data_set) if message is not None else ()
        if any(part is not None and part.tell() > MAX_MESSAGE_BYTES for part in parts):
            raise OverflowError(f"more than {MAX_MESSAGE_BYTES >> 20} MiB")


class Protocol(StateMachine):
    """The upper layer's states (PS3.8 9.2); an event that has no place in them ends the association alone."""

    def do_action(self, event: str) -> None:
        """Go from one state to the next."""
        try:
            super().do_action(event)
        except Exception as error:
            assoc = self.dul.assoc
            log_event("refused", reason=f"no DICOM protocol: {error}", peer_address=assoc.requestor.address)
            self.dul.kill_dul()
            assoc.is_aborted, assoc.is_established, assoc._kill = True, False, True
            cast(AssociationSocket, self.dul.socket).close()


class Connection(RequestHandler):
    """One accepted connection, before its association."""

    def _create_association(self) -> Association:
        assoc = super()._create_association()
        memory = cast(Listener, self.server).memory
        assoc.dimse = MessageReader(assoc, memory)
        assoc.dul.state_machine = Protocol(assoc.dul)
        assoc.dul.socket = PDUSocket(cast(AssociationSocket, assoc.dul.socket), memory)
        return assoc


class Listener(ThreadedAssociationServer):
    """The listening socket; `memory` is shared by its connections."""

    request_queue_size = 128
    daemon_threads = True  # a TLS handshake keeps no stop waiting
    memory: Memory
    tls: ReloadingContext | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._arriving: dict[socket.socket, socket.socket] = {}
        """Connections before their association, each with a second handle: TLS takes the first one over."""
        super().__init__(*args, **kwargs)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Drop connections that flood: more than any associations and probes together can be."""
        return len(self.ae.active_associations) + len(self._arriving) < self.ae.maximum_associations

    def process_request(self, request: Any, client_address: Any) -> None:
        """Go on in a thread of the connection's own."""
        self._arriving[request] = request.dup()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread could be started
            self._arriving.pop(request).close()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands and hand over."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._arriving.pop(request).close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its TLS handshake comes later, in its own thread."""
        return cast(socket.socket, self.socket).accept()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection over to its association."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            request = self._secured(request, self.tls.current())
        request.settimeout(self.ae.network_timeout)
        super().finish_request(request, client_address)

    def _secured(self, request: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        """Do the TLS handshake, within the time that a connection has to associate."""
        request.settimeout(self.ae.acse_timeout)
        secured = context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log a connection that failed before its association, such as a TLS handshake; not mere probes."""
        error = sys.exc_info()[1]
        if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
            return
        why = problem_of(error)
        log_event("association_rejected", why=why, peer_address=client_address[0])
        if self.tls is not None:
            trail.rejected(peer="", peer_address=client_address[0], why=why)

    def shutdown(self) -> None:
        """Take no more connections; associations go on."""
        BaseServer.shutdown(self)  # pynetdicom's also unregisters from the AE, which never knew of it
        for connection in list(self._arriving.values()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


def end_before_association(event: Event) -> None:
    """Wake an association's thread when its peer leaves without a word, as probes do."""
    if event.assoc.requestor.primitive is None:
        messages: Any = event.assoc.dul.to_user_queue
        messages.put(None)  # as if it had timed out

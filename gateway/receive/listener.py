"""The listening socket of the DICOM port: accepts connections within limits and makes associations of them.

Started by `storage_scp`. It replaces three habits of pynetdicom's server: the TLS handshake of one peer would
make all others wait, connections would not be counted before their association, and garbage would be
collected every 12 s also where no association has left any: a hundredth of a core.

Private names of pynetdicom used here: `RequestHandler._create_association`, `Association._server`,
`AssociationServer._handlers`; of socketserver: `BaseServer._handle_request_noblock`.
"""

from __future__ import annotations

import gc
import socket
import ssl
import sys
from collections.abc import Callable
from copy import deepcopy
from socketserver import BaseServer
from threading import Thread
from time import monotonic, sleep
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from gateway.receive.acceptor import Acceptor
from gateway.receive.association import peer_fields
from gateway.receive.c_store import CStore
from gateway.receive.connections import Connection, Connections
from gateway.receive.disk_waits import DiskWaits
from gateway.receive.hosts import plain
from gateway.receive.memory import Memory
from gateway.receive.proxy_header import Source, Untold, read_source
from gateway.receive.refusals import RefusalReporter
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug
from gateway.threads import bound_start
from gateway.tls import ReloadingContext, problem_of
from gateway.upper_layer.messages import REST_SECONDS
from gateway.upper_layer.transport import PDUSocket, shake_hands

TOO_MANY = "too many connections without an association: this one, the oldest, was closed"
DISK_HANGS = "the disk does not answer: the connection was closed, so that the peer sends again"
NO_ROOM = "too many connections are open, and none of them could be closed for this one"

COLLECT_SECONDS = 12.0

YIELD_SECONDS = 0.005
"""Seconds for which a new connection is left to receivers with fewer associations."""


class Handover(RequestHandler):
    """Makes an association of one accepted connection."""

    server: Listener

    def _create_association(self) -> Acceptor:
        listener = self.server
        assoc = Acceptor(self.ae, listener.c_store, listener.memory, listener.refusals)
        assoc._server = listener
        assoc.name = f"AcceptorThread@{self.client_address[0]}"
        deadline = listener.deadline_of(self.request)
        connection = listener.connections.of(self.request)
        if connection is not None:
            connection.association = assoc
        assoc.acse_timeout = max(0.001, deadline - monotonic())
        assoc.message_timeout = listener.message_timeout
        assoc.set_socket(PDUSocket(assoc, self.request, listener.message_timeout, deadline))
        assoc.acceptor.maximum_length = self.ae.maximum_pdu_size
        assoc.acceptor.ae_title = listener.ae_title
        assoc.acceptor.address_info = self.local
        assoc.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        assoc.acceptor.implementation_version_name = self.ae.implementation_version_name
        assoc.acceptor.supported_contexts = deepcopy(listener.contexts)
        assoc.requestor.address_info = self.remote
        for event, handlers in listener._handlers.items():
            for handler in handlers if isinstance(event, evt.NotificationEvent) else [handlers]:
                assoc.bind(event, *cast(Any, handler))
        return assoc


class Listener(ThreadedAssociationServer):
    """The listening socket; its attributes are shared by all connections and set once, before it serves.

    Parameters
    ----------
    listening
        The socket, which listens already; other processes may accept on it, too.
    """

    daemon_threads = True  # a TLS handshake keeps no stop waiting
    c_store: CStore
    memory: Memory
    connections: Connections
    is_next: Callable[[], bool]
    note_turn: Callable[[], None]
    is_proxy: Callable[[str], bool]
    disk_waits: DiskWaits
    refusals: RefusalReporter
    tls: ReloadingContext | None
    message_timeout: float
    _may_have_garbage = False

    def __init__(self, *arguments: Any, listening: socket.socket, **named: Any) -> None:
        self._listening = listening
        self._collected_at = monotonic()
        super().__init__(*arguments, **named)

    def server_bind(self) -> None:
        """Take over the socket that listens already."""
        cast(socket.socket, self.socket).close()
        self.socket = self._listening
        self.socket.setblocking(False)  # another process may be faster
        self.server_address = self.socket.getsockname()

    def server_activate(self) -> None:
        """Listen: the socket does."""

    def server_close(self) -> None:
        """Close the socket here alone; pynetdicom would shut it down for every process."""
        cast(socket.socket, self.socket).close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; whatever may have to wait comes later, in its own thread."""
        try:
            accepted, address = cast(socket.socket, self.socket).accept()
            self._may_have_garbage = True
        except BlockingIOError:  # another receiver has it, or the peer has gone
            raise
        except OSError as error:  # such as too many open files, which lasts
            self.refusals.tell(Event.ASSOCIATION_REJECTED, f"accept: {error.strerror}", {"peer_address": ""})
            sleep(REST_SECONDS)
            raise
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            accepted.close()
            raise
        return accepted, address

    def _handle_request_noblock(self) -> None:
        """Take one connection; no error in it keeps the next one from being taken.

        A receiver with more to do than another lets the other go first, as an association stays where it is.
        """
        try:
            if not self.is_next():
                sleep(YIELD_SECONDS)
            super()._handle_request_noblock()  # type: ignore[misc] # not in the stubs
        except Exception as error:
            log_bug(Event.BUG, error=repr(error))

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Take the connection in, and close the oldest nameless one where there are too many."""
        address = plain(client_address[0])
        taken, victim = self.connections.accept(request, address, awaits_source=self.is_proxy(address))
        if victim is not None:
            self._tell(TOO_MANY, victim.address)
        if taken is None:
            self._tell(NO_ROOM, address)
        return taken is not None

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its own thread; where none can be started, the caller closes it."""
        connection = self.connections.of(request)
        thread = Thread(target=self._serve, args=(connection, client_address), daemon=True)
        bound_start(thread)
        thread.start()

    def _serve(self, connection: Connection | None, client_address: Any) -> None:
        if connection is None or not connection.is_open:  # closed for another, or as this thread was late
            return
        try:
            if self.tls is not None:
                self.connections.secure(connection, self.tls.current())
            self.finish_request(connection.socket, client_address)
        except Exception:
            self.handle_error(connection.socket, client_address)
            self.shutdown_request(connection.socket)

    def deadline_of(self, request: socket.socket) -> float:
        """Return when the association must stand: one deadline from accept on, TLS included."""
        connection = self.connections.of(request)
        accepted_at = connection.accepted_at if connection is not None else monotonic()
        return accepted_at + (self.ae.acse_timeout or float("inf"))

    def _tell(self, why: str, address: str) -> None:
        self.refusals.tell(Event.ASSOCIATION_REJECTED, why, {"peer_address": address})

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Learn the source from a proxy, shake hands where TLS is spoken, hand over to the association."""
        if self.is_proxy(plain(client_address[0])):
            client_address = self._source_of(request)
        if client_address is None:
            self._end_probe(request)
            return
        if isinstance(request, ssl.SSLSocket):
            shake_hands(request, self.deadline_of(request))
        super().finish_request(request, client_address)

    def _source_of(self, request: socket.socket) -> Source | None:
        """Return whose connection a proxy hands on; None where it is nobody's, or there is no room for it."""
        connection = self.connections.of(request)
        source = read_source(request, self.deadline_of(request))
        if connection is None or source is None:
            return None
        taken, victim = self.connections.tell_source(connection, source[0])
        if victim is not None:
            self._tell(TOO_MANY, victim.address)
        if taken is None and connection.is_open:
            self._tell(NO_ROOM, source[0])
        return source if taken else None

    def _end_probe(self, request: socket.socket) -> None:
        """Close a connection without an association; a health check may ask for a TLS handshake before."""
        try:
            if isinstance(request, ssl.SSLSocket):
                shake_hands(request, self.deadline_of(request))
        except OSError:
            pass
        finally:
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a connection that failed before its association, such as in TLS; not a mere probe."""
        error = sys.exc_info()[1]
        if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
            return
        connection = self.connections.of(request)
        address = connection.address if connection is not None else plain(client_address[0])
        why = str(error) if isinstance(error, Untold) else problem_of(error)
        self.refusals.tell(
            Event.ASSOCIATION_REJECTED,
            why,
            {"peer_address": address},
            audited=isinstance(error, (OSError, Untold)),
        )

    def service_actions(self) -> None:
        """Report the counts of repeated refusals whose minute is over; free what associations have left.

        End the connections whose image waits for a disk that hangs.
        """
        self.note_turn()
        for assoc in self.disk_waits.hung():
            self._cut(cast(Acceptor, assoc))
        self.refusals.flush()
        if self._may_have_garbage and monotonic() - self._collected_at > COLLECT_SECONDS:
            self._may_have_garbage, self._collected_at = False, monotonic()
            gc.collect()

    def _cut(self, assoc: Acceptor) -> None:
        self.refusals.tell(Event.ASSOCIATION_ABORTED, DISK_HANGS, peer_fields(assoc))
        connection = self.connections.of(assoc.dul.transport.socket)
        if connection is not None:
            connection.cut()

    def shutdown(self) -> None:
        """Take no more connections; associations go on."""
        BaseServer.shutdown(self)  # pynetdicom's also unregisters from the AE, which never knew of it
        for connection in self.connections.nameless():
            connection.cut()
        self.server_close()

"""The accepted connections of the DICOM port, from accept until the socket is closed.

Called by `listener` for each connection and by `Admission` for each association. The number of connections is
limited before a peer is known. A connection without an association is nameless; beyond the limit the oldest
nameless connection is closed, so a flood drops itself and a sender, which associates within milliseconds, is
served. A proxy's connections count for their true sources once the proxy has told them. Where `scp.peers`
names addresses, connections from other addresses are closed first. Each of several receivers has an equal
share of the limits.
"""

from __future__ import annotations

import errno
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext, SSLSocket
from threading import Lock
from time import monotonic

from gateway.receive.hosts import Hosts
from gateway.receive.port import Share
from gateway.settings import SCP
from gateway.upper_layer.association import Association

CONNECTIONS_PER_ASSOCIATION = 3
"""Connections for each association that is allowed: probes come beside senders."""


@dataclass(eq=False, slots=True)
class Connection:
    """One accepted connection.

    Attributes
    ----------
    accepted_at
        Seconds of the monotonic clock.
    association
        Set once TLS is agreed on.
    is_admitted
        True once the association is accepted.
    awaits_source
        True while `address` is the one of a proxy that has yet to tell whose connection it hands on.
    """

    socket: socket.socket
    address: str
    accepted_at: float
    association: Association | None = None
    is_admitted: bool = False
    awaits_source: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether the socket is open."""
        return self.socket.fileno() >= 0

    @property
    def is_associated(self) -> bool:
        """Tell whether the association stands."""
        assoc = self.association
        is_over = assoc is None or assoc.is_released or assoc.is_aborted
        return self.is_open and self.is_admitted and not is_over

    def cut(self) -> None:
        """End the connection without a log line; its own thread closes the socket."""
        if self.association is not None:
            self.association.dul.close()
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # also while TLS takes it over


class Connections:
    """The connections that are open.

    Parameters
    ----------
    hosts
        The addresses of `scp.peers`; None where every address may send.
    """

    def __init__(self, settings: SCP, hosts: Hosts | None, share: Share) -> None:
        self._share = share
        self._associations = settings.max_associations
        self._nameless_per_address = share.of(
            settings.max_associations_per_peer * CONNECTIONS_PER_ASSOCIATION
        )
        self._hosts = hosts
        self._open: dict[socket.socket, Connection] = {}
        self._lock = Lock()

    def accept(
        self, accepted: socket.socket, address: str, *, awaits_source: bool = False
    ) -> tuple[Connection | None, Connection | None]:
        """Take in a new connection; return it and the connection that was closed for it.

        The new connection is None, and refused, where only associations and connections of `scp.peers` could
        be closed for it.
        """
        new = Connection(accepted, address, monotonic(), awaits_source=awaits_source)
        with self._lock:
            return self._take_in(new)

    def tell_source(
        self, connection: Connection, address: str
    ) -> tuple[Connection | None, Connection | None]:
        """Count a connection from a proxy under its true source from now on; see `accept`."""
        with self._lock:
            if self._open.pop(connection.socket, None) is None:
                return None, None  # it was closed for another
            connection.address, connection.awaits_source = address, False
            return self._take_in(connection)

    def secure(self, connection: Connection, context: SSLContext) -> SSLSocket:
        """Return the connection's socket under TLS, which takes its place; the handshake comes later.

        Raises
        ------
        ConnectionError
            It was closed for another, or by the peer, as a balancer's health check closes it at once.
        """
        with self._lock:
            if self._open.get(connection.socket) is not connection or not connection.is_open:
                raise ConnectionAbortedError
            secured = tls_socket(connection.socket, context)
            connection.socket = secured
            self._open = {each.socket: each for each in self._open.values()}
            return secured

    def _take_in(self, new: Connection) -> tuple[Connection | None, Connection | None]:
        self._open = {each.socket: each for each in self._open.values() if each.is_open}
        nameless = [each for each in self._open.values() if not each.is_associated]
        victim = self._victim(new, nameless)
        if victim is None and self._is_full(nameless):
            return None, None
        if victim is not None:
            victim.cut()
            del self._open[victim.socket]
        self._open[new.socket] = new
        return new, victim

    def of(self, accepted: socket.socket | None) -> Connection | None:
        """Return the connection of a socket, None where it has been closed for another."""
        with self._lock:
            return self._open.get(accepted) if accepted is not None else None

    def count(self) -> int:
        """Return the number of open connections."""
        with self._lock:
            return sum(each.is_open for each in self._open.values())

    def associated(self) -> list[Connection]:
        """Return the connections whose association stands."""
        with self._lock:
            return [each for each in self._open.values() if each.is_associated]

    def nameless(self) -> list[Connection]:
        """Return the connections without an association."""
        with self._lock:
            return [each for each in self._open.values() if each.is_open and not each.is_associated]

    def _victim(self, new: Connection, nameless: list[Connection]) -> Connection | None:
        """Return the connection to close for a new one, None where there is room or nothing to close."""
        of_same = [each for each in nameless if each.address == new.address and not each.awaits_source]
        if len(of_same) >= self._nameless_per_address and not new.awaits_source:
            return of_same[0]
        if not self._is_full(nameless):
            return None
        strangers = [each for each in nameless if self._is_stranger(each)]
        candidates = strangers or ([] if self._is_stranger(new) else nameless)
        if not candidates:
            return None
        ((crowded, _),) = Counter(each.address for each in candidates).most_common(1)
        return next(each for each in candidates if each.address == crowded)

    def _is_full(self, nameless: list[Connection]) -> bool:
        """Tell whether only connections with an association may be added.

        Several receivers share the room that the most associations leave, wherever the associations are.
        """
        is_alone = self._share.receivers == 1
        associated = len(self._open) - len(nameless) if is_alone else self._associations
        room = self._associations * CONNECTIONS_PER_ASSOCIATION - associated
        return len(nameless) >= self._share.of(room)

    def _is_stranger(self, connection: Connection) -> bool:
        if self._hosts is None or connection.awaits_source:
            return False
        return not self._hosts.are_known(connection.address)


def tls_socket(request: socket.socket, context: SSLContext) -> SSLSocket:
    """Return a socket under TLS before its handshake; raise `ConnectionAbortedError` where the peer left."""
    try:
        return context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        raise ConnectionAbortedError from None  # it wrote and left; Python has closed the socket

"""The web port's connections, counted and bounded from `accept` on.

A newcomer is let in at the cost of the connection that matters least: nameless first (no whole request head
yet), then idle, then those whose client keeps the server waiting. While a request is being answered, its
connection is never dropped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Any, Protocol

from gateway.files.spare_descriptor import EXHAUSTED, SpareDescriptor
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from gateway.telemetry.repeats import Message, Repeats

MOST_CONNECTIONS = 200
MOST_FROM_ONE_ADDRESS = 100
SWEEP_SECONDS = 1.0
STAYS_SECONDS = 1.0
"""Seconds without progress after which a connection may be dropped because descriptors lack."""
LINES_PER_ADDRESS = 20
FULL = "more connections than the web port takes"
NO_DESCRIPTOR = "the system has nothing left for another connection"

logging.getLogger("asyncio").addFilter(  # they are in the log, counted
    lambda record: "out of system resource" not in record.getMessage()
)

_RESET = struct.pack("ii", 1, 0)  # else the kernel would keep what the client does not read

Network = IPv4Network | IPv6Network


class Phase(Enum):
    """The side that a connection waits for, in the order in which connections are dropped for newcomers.

    The value is that order and for how many seconds the client may stay there without progress.
    """

    NAMELESS = (0, 20.0)  # from accept, TLS included, to the end of the first request's head
    IDLE = (1, 30.0)  # between two requests
    HEAD = (2, 20.0)  # a further request's head has begun
    LEFT_OVER = (3, 5.0)  # answered, and the rest of the request's body still comes
    CLOSING = (4, 10.0)  # the last bytes of the answer are not taken
    UNREAD = (5, 30.0)  # the client does not read its answer
    BODY = (6, float("inf"))  # the request's body comes; its deadline is the upload's, which is answered
    ANSWERING = (7, float("inf"))  # the server's move

    @property
    def late(self) -> str:
        """Why a connection that stays in it for too long is dropped."""
        return _LATE[self]

    @property
    def order(self) -> int:
        """Rank among the connections that may be dropped."""
        return self.value[0]

    @property
    def seconds(self) -> float:
        """The longest that a client may stay in it without progress."""
        return self.value[1]


_LATE = {
    Phase.NAMELESS: "no whole request came",
    Phase.IDLE: "no further request came",
    Phase.HEAD: "a request began and was not ended",
    Phase.LEFT_OVER: "the body goes on after the answer",
    Phase.CLOSING: "the end of the answer is not read",
    Phase.UNREAD: "the answer is not read",
}


class Seated(Protocol):
    """A connection whose transport is open."""

    def phase(self) -> tuple[Phase, int]:
        """Return whose move it is, and a number that changes with the client's progress."""

    def drop(self) -> None:
        """Close at once."""


@dataclass(slots=True, eq=False)
class _Guest:
    """One accepted connection."""

    socket: socket.socket
    address: str
    seated: Seated | None = None
    seen: tuple[Phase, int] = (Phase.NAMELESS, 0)
    since: float = field(default_factory=monotonic)

    @property
    def is_gone(self) -> bool:
        return self.socket.fileno() < 0

    @property
    def phase(self) -> Phase:
        """The side that the connection waits for; a change of sides begins the time anew."""
        now = self.seated.phase() if self.seated else self.seen
        if now != self.seen:
            self.seen, self.since = now, monotonic()
        return now[0]

    @property
    def is_late(self) -> bool:
        return self.has_stayed(self.phase.seconds)

    def has_stayed(self, seconds: float) -> bool:
        """Tell whether the client has made no progress for so long."""
        return monotonic() - self.since > seconds

    def drop(self) -> None:
        with suppress(OSError):  # it has ended by itself
            if self.phase is not Phase.IDLE:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            if not self.seated:
                self.socket.shutdown(
                    socket.SHUT_RDWR
                )  # asyncio, which holds it in a handshake, then closes it
        if self.seated:
            self.seated.drop()


def _worth(guest: _Guest) -> tuple[int, float]:
    """Return the order in which connections are dropped for newcomers."""
    return guest.phase.order, guest.since


class Connections:
    """All connections of one web server.

    Parameters
    ----------
    proxies
        Reverse proxies: everybody comes from their addresses, so that only the total is bounded there.
    """

    def __init__(self, proxies: Iterable[Network] = ()) -> None:
        self._proxies = tuple(proxies)
        self._guests: dict[int, _Guest] = {}  # by descriptor
        self._sweeping: asyncio.TimerHandle | None = None
        self._told = Repeats(_log, LINES_PER_ADDRESS)

    def admit(self, accepted: socket.socket, address: str) -> bool:
        """Count a new connection, if need be in place of another; False: there is no room."""
        self._forget_the_gone()
        peer = _plain(address)
        if not self._make_room(peer):
            self._tell(Event.CONNECTION_DROPPED, peer, FULL)
            return False
        self._guests[accepted.fileno()] = _Guest(accepted, peer)
        self._sweep_later()
        return True

    def seat(self, descriptor: int, seated: Seated) -> None:
        """Note that this connection is open: from now on it tells whose move it is."""
        if descriptor in self._guests:
            self._guests[descriptor].seated = seated

    def note_exhausted(self, error: OSError) -> None:
        """Note that a connection could not be accepted: the system has nothing left for it."""
        self._tell(Event.CONNECTION_DROPPED, "", f"accept: {os.strerror(error.errno or 0)}")
        self._sweep_later()

    def make_way(self) -> bool:
        """Drop the connection that matters least, for want of descriptors; False: none may go."""
        idle = [
            guest
            for guest in self._guests.values()
            if guest.phase is not Phase.ANSWERING and guest.has_stayed(STAYS_SECONDS)
        ]
        if idle:
            self._drop(min(idle, key=_worth), NO_DESCRIPTOR)
        return bool(idle)

    def note_refused(self, address: str, why: str) -> None:
        """Note a request that is no HTTP/1.1."""
        self._tell(Event.REQUEST_REFUSED, address, why)

    def _make_room(self, address: str) -> bool:
        while crowd := self._crowd(address):
            victim = min(crowd, key=_worth)
            if victim.phase is Phase.ANSWERING:
                return False
            self._drop(victim, FULL)
        return True

    def _crowd(self, address: str) -> list[_Guest]:
        """Return the connections one of which must go before `address` gets another."""
        there = [guest for guest in self._guests.values() if guest.address == address]
        if len(there) >= MOST_FROM_ONE_ADDRESS and not self._is_proxy(address):
            return there
        if len(self._guests) < MOST_CONNECTIONS:
            return []
        ((most, _),) = Counter(guest.address for guest in self._guests.values()).most_common(1)
        return [guest for guest in self._guests.values() if guest.address == most]

    def _is_proxy(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self._proxies)

    def _drop(self, guest: _Guest, why: str) -> None:
        if guest.phase is not Phase.IDLE:  # that is how connections end
            self._tell(Event.CONNECTION_DROPPED, guest.address, why)
        self._guests = {number: each for number, each in self._guests.items() if each is not guest}
        guest.drop()

    def _forget_the_gone(self) -> None:
        self._guests = {number: guest for number, guest in self._guests.items() if not guest.is_gone}

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Drop the connections whose client is late; come again while there is anything to see."""
        self._sweeping = None
        self._forget_the_gone()
        for guest in [each for each in self._guests.values() if each.is_late]:
            self._drop(guest, guest.phase.late)
        self._told.flush()
        if self._guests:
            self._sweep_later()

    def close(self) -> None:
        """Tell what has been counted and not told."""
        self._told.flush(everything=True)

    def _tell(self, event: Event, address: str, why: str) -> None:
        self._told.note(address, {"event": event, "peer_address": address, "why": why})


class Listener(socket.socket):
    """A listening socket that asks `connections` about each newcomer."""

    connections: Connections
    _ends_turn = False

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._spare = SpareDescriptor()

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection for which there is room.

        Raises
        ------
        OSError
            Where there is none. Where the system has nothing left for one, asyncio waits for a second. It
            asks 2048 times in one turn, and `accept` then fails even where nobody is there: the second time
            is told that nobody is.
        """
        if self._ends_turn:
            self._ends_turn = False
            raise BlockingIOError
        while True:
            accepted, address = self._next()
            if self.connections.admit(accepted, address[0]):
                return accepted, address
            accepted.close()

    def close(self) -> None:
        """Close the socket and the spare descriptor."""
        super().close()
        self._spare.give_up()

    def _next(self) -> tuple[socket.socket, Any]:
        """Accept a connection; where the system has nothing left for one, in place of what can be spared."""
        self._spare.keep()
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self.connections.note_exhausted(error)
            self._ends_turn = True
            if self._spare.give_up():
                return super().accept()
            if self.connections.make_way():
                self._ends_turn = False
                raise BlockingIOError from None  # asyncio asks again once the other is closed
            raise


def _log(message: Message, repeated: int) -> None:
    counted = {"repeated": repeated} if repeated else {}
    log_event(Event(message["event"]), peer_address=message["peer_address"], why=message["why"], **counted)


def _plain(address: str) -> str:
    """Return an address without its zone, and IPv4 that came through IPv6 as IPv4."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)

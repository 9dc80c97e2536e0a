"""The addresses of `scp.peers`: looked up in the background, remembered while the DNS is away.

An association waits a bounded time for a name that was never resolved, and no time for one that was.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from threading import Condition, Thread
from time import monotonic

FRESH_SECONDS = 60.0
"""After so long a name is looked up anew: it may move."""

WAIT_SECONDS = 5.0
"""How long an association waits for a name that was never resolved."""


@dataclass(slots=True)
class _Answer:
    addresses: frozenset[str] | None = None  # None: never resolved
    at: float = float("-inf")
    is_pending: bool = False


class Hosts:
    """The configured hosts, and the addresses they had when they were last resolved."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._answers = {host: _Answer() for host in hosts}
        self._changed = Condition()

    def prepare(self) -> None:
        """Begin to look every host up."""
        with self._changed:
            for host in self._answers:
                self._refresh(host)

    def addresses(self, host: str) -> frozenset[str] | None:
        """Return the addresses of a host, None when it cannot be resolved; waits a bounded time."""
        with self._changed:
            answer = self._answers[host]
            self._refresh(host)
            if answer.addresses is None:
                self._changed.wait_for(lambda: not answer.is_pending, WAIT_SECONDS)
            return answer.addresses

    def are_known(self, address: str) -> bool:
        """Tell whether an address is that of any host, as far as is known now; waits for nothing."""
        with self._changed:
            for host in self._answers:
                self._refresh(host)
            return any(address in (answer.addresses or ()) for answer in self._answers.values())

    def _refresh(self, host: str) -> None:
        """Look a host up where its answer is old and nobody does yet; the caller holds the lock."""
        answer = self._answers[host]
        if answer.is_pending or monotonic() - answer.at < FRESH_SECONDS:
            return
        literal = _literal(host)
        if literal is not None:
            answer.addresses, answer.at = frozenset({literal}), float("inf")
            return
        answer.is_pending = True
        Thread(target=self._look_up, args=(host,), name=f"look up {host}", daemon=True).start()

    def _look_up(self, host: str) -> None:
        try:
            found = frozenset(plain(str(info[4][0])) for info in socket.getaddrinfo(host, None))
        except (OSError, UnicodeError):
            found = None
        with self._changed:
            answer = self._answers[host]
            answer.is_pending = False
            if found is not None:
                answer.addresses, answer.at = found, monotonic()
            self._changed.notify_all()


def plain(address: str) -> str:
    """Return an IPv4 address that came through an IPv6 socket as IPv4."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _literal(host: str) -> str | None:
    try:
        return plain(host)
    except ValueError:
        return None

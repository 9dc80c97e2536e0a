"""The addresses of the hosts in `scp.peers`, looked up in the background.

Called by `Admission` and `Connections`. The last addresses stay in use while DNS does not answer. Only a name
that was never resolved makes an association wait, and for a bounded time.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from threading import Condition, Thread
from time import monotonic

FRESH_SECONDS = 60.0
"""Age in seconds at which a name is looked up again: its address may have changed."""

WAIT_SECONDS = 5.0
"""Seconds for which an association waits for a name that was never resolved."""


@dataclass(slots=True)
class _Answer:
    addresses: frozenset[str] | None = None  # None: never resolved
    at: float = float("-inf")
    is_pending: bool = False


class Hosts:
    """The configured hosts with the addresses of their last resolution."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._answers = {host: _Answer() for host in hosts}
        self._changed = Condition()

    def prepare(self) -> None:
        """Begin to look up every host."""
        with self._changed:
            for host in self._answers:
                self._refresh(host)

    def addresses(self, host: str) -> frozenset[str] | None:
        """Return the addresses of a host, None where it cannot be resolved; waits at most `WAIT_SECONDS`."""
        with self._changed:
            answer = self._answers[host]
            self._refresh(host)
            if answer.addresses is None:
                self._changed.wait_for(lambda: not answer.is_pending, WAIT_SECONDS)
            return answer.addresses

    def are_known(self, address: str) -> bool:
        """Tell whether a host is known to have this address; never waits."""
        with self._changed:
            for host in self._answers:
                self._refresh(host)
            return any(address in (answer.addresses or ()) for answer in self._answers.values())

    def _refresh(self, host: str) -> None:
        """Start a lookup if the answer is old and none is pending; the caller holds the lock."""
        answer = self._answers[host]
        if answer.is_pending or monotonic() - answer.at < FRESH_SECONDS:
            return
        literal = _literal(host)
        if literal is not None:
            answer.addresses, answer.at = frozenset({literal}), float("inf")
            return
        with suppress(RuntimeError):  # no thread can be started now: the next question tries again
            Thread(target=self._look_up, args=(host,), name=f"look up {host}", daemon=True).start()
            answer.is_pending = True

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
    """Return an address without its zone; an IPv4-mapped IPv6 address becomes IPv4."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _literal(host: str) -> str | None:
    try:
        return plain(host)
    except ValueError:
        return None

"""The limit on bytes of unanswered messages, in drafts or in memory: beyond it the network waits.

Called by `acceptor` for each fragment and by `storage_scp` for each response.
"""

from __future__ import annotations

import ctypes
from threading import Lock

from pynetdicom.association import Association
from pynetdicom.events import Event

_M_MMAP_THRESHOLD = -3  # glibc, malloc.h
_LARGE_BYTES = 1024 * 1024


def return_what_is_freed() -> None:
    """Make the C library (glibc) return each large block to the system when the block is freed.

    By default glibc keeps large blocks in the arenas of its many threads, where they add up.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and no such arenas
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


class Memory:
    """Counts the bytes that associations hold of messages that are not answered yet.

    Beyond the limit only the association that began first reads on. So one message after the other is
    completed; otherwise all associations could wait for ever, each with half a message.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: dict[Association, int] = {}  # in the order in which they began
        self._total = 0
        self._lock = Lock()

    def hold(self, assoc: Association, count: int) -> None:
        """Note that the association holds `count` bytes more."""
        with self._lock:
            self._held[assoc] = self._held.get(assoc, 0) + count
            self._total += count

    def has_room(self, assoc: Association) -> bool:
        """Tell whether the association may read on."""
        with self._lock:
            return self._total < self._limit_bytes or next(iter(self._held)) is assoc

    def release(self, event: Event) -> None:
        """Note that a response has left or the connection has gone: the message needs no room now."""
        with self._lock:
            self._total -= self._held.pop(event.assoc, 0)

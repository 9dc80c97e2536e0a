"""How much of the images under way may be in memory: beyond it the network waits."""

from __future__ import annotations

import ctypes
from threading import Lock

from pynetdicom.association import Association
from pynetdicom.events import Event

_M_MMAP_THRESHOLD = -3  # glibc, malloc.h
_LARGE_BYTES = 1024 * 1024


def return_what_is_freed() -> None:
    """Have the C library map each large block on its own and unmap it when it is freed.

    Else it learns to keep large blocks in the arenas of its many threads, where they add up.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and no such arenas
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


class Memory:
    """Counts what the associations hold of messages that are not answered yet.

    Beyond the limit only the association that began first reads on: it comes to its end, and so does the next
    one, where all together would wait for ever, each with half a message.
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
        """Note that a response has left, or that the connection has gone: its message is done with."""
        with self._lock:
            self._total -= self._held.pop(event.assoc, 0)

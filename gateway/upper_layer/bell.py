"""The bell of a connection: wakes the thread that waits for the socket. `provider` and `transport` call it.

A thread that waits for a socket alone would have to look every millisecond whether something is to be sent.
"""

from __future__ import annotations

import os
import select
from threading import Lock

_CLOSED = -1


class Bell:
    """An eventfd that any thread may ring, also before it is opened and after it is closed."""

    def __init__(self) -> None:
        self._descriptor = _CLOSED
        self._lock = Lock()

    def open(self) -> None:
        """Open the eventfd; a ring before is not heard."""
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def close(self) -> None:
        """Close the eventfd."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, _CLOSED
            if descriptor != _CLOSED:
                os.close(descriptor)

    def ring(self) -> None:
        """Wake the waiting thread, or the next one that waits."""
        with self._lock:
            if self._descriptor != _CLOSED:
                os.eventfd_write(self._descriptor, 1)

    def wait(self, other: int | None, seconds: float | None) -> bool:
        """Wait for the bell or for data on the descriptor `other`; return whether `other` has data.

        Parameters
        ----------
        seconds
            Longest wait; None: no limit.
        """
        polled = select.poll()
        polled.register(self._descriptor, select.POLLIN)
        if other is not None:
            polled.register(other, select.POLLIN)
        ready = {descriptor for descriptor, _ in polled.poll(None if seconds is None else seconds * 1000)}
        if self._descriptor in ready:
            os.eventfd_read(self._descriptor)
        return other in ready

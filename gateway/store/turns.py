"""The writers' turn: who may write to SQLite next.

SQLite lets writers try again after pauses that grow to 100 ms: under load its lock lies idle while all of
them sleep, and the luckiest one gets it. Here the threads of a process come in the order of asking, and the
processes of a machine ask every half millisecond.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock

from gateway.files.lock import open_lock, try_lock, unlock

ASK_SECONDS = 0.0005


class Turns:
    """The turn of the threads of this process, and by a lock file of all processes that have the same one.

    Parameters
    ----------
    lock_file
        Made if it is not there. Where it cannot be made, the turn is that of one process, and SQLite decides
        among processes.
    """

    def __init__(self, lock_file: Path) -> None:
        self._guard = Lock()
        self._taken = False
        self._waiting: deque[Event] = deque()
        self._lock_file = lock_file
        self._descriptor: int | None = None  # until the first turn: who only reads makes no file

    def take(self, seconds: float) -> bool:
        """Wait for one's turn; False if it does not come in time."""
        deadline = time.monotonic() + seconds
        if not self._take_here(seconds):
            return False
        if self._lock_others_out(deadline):
            return True
        self._give_here()
        return False

    def give(self) -> None:
        """Let the next one in."""
        if self._descriptor is not None:
            unlock(self._descriptor)
        self._give_here()

    def _take_here(self, seconds: float) -> bool:
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            turn = Event()
            self._waiting.append(turn)
        if turn.wait(seconds):
            return True
        with self._guard:
            if turn.is_set():  # it was handed on at the last moment
                return True
            self._waiting.remove(turn)
            return False

    def _give_here(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False

    def _lock_others_out(self, deadline: float) -> bool:
        if self._descriptor is None:
            with suppress(OSError):
                self._descriptor = open_lock(self._lock_file)
        while self._descriptor is not None and not try_lock(self._descriptor):
            if time.monotonic() > deadline:
                return False
            time.sleep(ASK_SECONDS)
        return True

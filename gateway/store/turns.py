"""A lock that is handed on in the order in which it was asked for."""

from __future__ import annotations

from collections import deque
from threading import Event, Lock


class Turns:
    """SQLite lets writers try again at random; among the threads of one process the first comes first."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._taken = False
        self._waiting: deque[Event] = deque()

    def take(self, seconds: float) -> bool:
        """Wait for one's turn; False if it does not come in time."""
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

    def give(self) -> None:
        """Let the next one in."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False

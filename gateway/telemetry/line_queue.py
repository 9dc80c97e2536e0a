"""A queue of lines in front of a slow, full or unread file: no caller waits for it longer than it says.

The log uses one for its file and one for standard error. Lines are written in order; lines beyond
`MOST_LINES` are dropped and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition

from gateway.threads import Vital

MOST_LINES = 10_000


class LineQueue:
    """Writes lines in order, in a thread of its own.

    Parameters
    ----------
    write
        Called with each line. It may hang; an exception is lost with its line.
    tell_dropped
        Makes the line that states the number of missing lines.
    name
        Of the thread.
    """

    def __init__(
        self, write: Callable[[bytes], object], tell_dropped: Callable[[int], bytes], name: str
    ) -> None:
        self._write = write
        self._tell_dropped = tell_dropped
        self._changed = Condition()
        self._lines: deque[bytes] = deque()
        self._put = self._written = self._dropped = 0
        self._is_stuck = False
        Vital(self._run, name).start()

    def put(self, line: bytes, wait_seconds: float = 0) -> None:
        """Add a line. Wait up to `wait_seconds` until it is written, but not while an earlier line hangs."""
        with self._changed:
            if len(self._lines) >= MOST_LINES:
                self._dropped += 1
                return
            self._lines.append(line)
            self._put += 1
            self._changed.notify_all()
            if wait_seconds and not self._is_stuck:
                self._is_stuck = not self._wait_until_written(self._put, wait_seconds)

    def flush(self, seconds: float) -> None:
        """Wait up to `seconds` until every line is written."""
        with self._changed:
            self._wait_until_written(self._put, seconds)

    def _wait_until_written(self, number: int, seconds: float) -> bool:
        return self._changed.wait_for(lambda: self._written >= number, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line = self._lines.popleft()
                dropped, self._dropped = self._dropped, 0
            with suppress(Exception):
                self._write(line)
                if dropped:
                    self._write(self._tell_dropped(dropped))
            with self._changed:
                self._written += 1
                self._is_stuck = self._is_stuck and bool(self._lines)
                self._changed.notify_all()

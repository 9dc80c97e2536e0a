"""A queue of lines in front of a slow, full or unread file: no caller waits for it longer than it says.

The log uses one for its file and one for standard error; audit trail and status of the roles use one each
for their file. Lines are written in order; lines beyond
`MOST_LINES` are dropped and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition
from typing import Generic, TypeVar

from gateway.threads import Vital

MOST_LINES = 10_000

Line = TypeVar("Line")


class LineQueue(Generic[Line]):
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
        self, write: Callable[[Line], object], tell_dropped: Callable[[int], Line], name: str
    ) -> None:
        self._write = write
        self._tell_dropped = tell_dropped
        self._changed = Condition()
        self._lines: deque[Line] = deque()
        self._put = self._written = self._dropped = 0
        self._is_stuck = False
        self._has_ended = False
        self._thread = Vital(self._run, name)
        self._thread.start()

    def put(self, line: Line, wait_seconds: float = 0) -> None:
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

    def close(self, seconds: float) -> bool:
        """Wait up to `seconds` until every line is written, then end; False where some are not."""
        with self._changed:
            is_whole = self._wait_until_written(self._put, seconds)
            self._has_ended = True
            self._thread.release()
            self._changed.notify_all()
        return is_whole

    def _wait_until_written(self, number: int, seconds: float) -> bool:
        return self._changed.wait_for(lambda: self._written >= number, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._has_ended)
                if not self._lines:
                    return
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

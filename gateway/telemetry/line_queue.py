"""Lines on their way to a place that may be slow, full or read by nobody: whoever has told goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition

from gateway.threads import Vital

MOST_LINES = 10_000


class LineQueue:
    """Writes lines in order, in a thread of its own. What does not fit is dropped and counted.

    Parameters
    ----------
    write
        Called with each line; it may hang, and what it raises is lost with the line.
    tell_dropped
        Makes the line that says how many are missing.
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
        """Hand on a line, and wait a moment until it is written, but not while those before it hang."""
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
        """Wait until everything is written, so long at most."""
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

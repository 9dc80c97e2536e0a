"""The timers of a connection. `provider` and pynetdicom's state machine start and stop them.

Private names of pynetdicom used here: `Timer._start_time`, `_end_time`.
"""

from __future__ import annotations

import time

from pynetdicom.timer import Timer


class MonotonicTimer(Timer):
    """A timer that is independent of changes of the system clock."""

    def start(self) -> None:
        """Start the timer anew."""
        self._start_time, self._end_time = time.monotonic(), None

    def stop(self) -> None:
        """Stop the timer."""
        self._end_time = time.monotonic()

    @property
    def remaining(self) -> float:
        """The remaining seconds, negative after expiry."""
        if self.timeout is None or self._start_time is None:
            return self.timeout or 1.0
        return self.timeout - ((self._end_time or time.monotonic()) - self._start_time)

    @property
    def seconds_to_expiry(self) -> float | None:
        """The seconds to wait for its expiry; None where the timer does not run."""
        if self.timeout is None or self._start_time is None or self._end_time is not None:
            return None
        return max(0.0, self.remaining)

"""How often a client may do something: a bucket of tokens for each."""

from __future__ import annotations

import time
from threading import Lock

from gateway.web.bounded import Bounded

_MOST_CLIENTS = 10_000


class RateLimit:
    """At most `per_minute` on average and at once, for each client."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._buckets = Bounded[str, tuple[float, float]](_MOST_CLIENTS)  # tokens left, and since when
        self._lock = Lock()

    def take(self, client: str) -> float:
        """Take one; return 0, or in how many seconds there is one again."""
        with self._lock:
            left = self._left(client)
            if left < 1:
                return (1 - left) * 60 / self._most
            self._buckets[client] = left - 1, time.monotonic()
            return 0.0

    def is_exhausted(self, client: str) -> bool:
        """Tell, without taking one, whether there is none."""
        with self._lock:
            return self._left(client) < 1

    def _left(self, client: str) -> float:
        left, at = self._buckets.get(client, (self._most, time.monotonic()))
        return min(self._most, left + (time.monotonic() - at) * self._most / 60)

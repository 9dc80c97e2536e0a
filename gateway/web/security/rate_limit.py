"""Rate limit for each client: a token bucket. Sign-ins and `POST /predict` use it.

At most `_MOST_CLIENTS` buckets are kept; the least recently used bucket is dropped first.
"""

from __future__ import annotations

import time
from threading import Lock

from gateway.web.bounded import Bounded

_MOST_CLIENTS = 10_000


class RateLimit:
    """Allows each client `per_minute` actions a minute on average, and as many at once."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._buckets = Bounded[str, tuple[float, float]](_MOST_CLIENTS)  # tokens left, and since when
        self._lock = Lock()

    def take(self, client: str) -> float:
        """Take a token; return 0, or the seconds until the next token."""
        with self._lock:
            left = self._left(client)
            if left < 1:
                return (1 - left) * 60 / self._most
            self._buckets[client] = left - 1, time.monotonic()
            return 0.0

    def is_exhausted(self, client: str) -> bool:
        """Tell whether no token is left; take none."""
        with self._lock:
            return self._left(client) < 1

    def _left(self, client: str) -> float:
        left, at = self._buckets.get(client, (self._most, time.monotonic()))
        return min(self._most, left + (time.monotonic() - at) * self._most / 60)

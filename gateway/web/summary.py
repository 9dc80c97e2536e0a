"""Log lines about peers that can come by the thousand: the first at once, then one a minute with a count."""

from __future__ import annotations

from collections import Counter
from time import monotonic

from gateway.log import log_event

EVERY_SECONDS = 60.0
MOST_KEYS = 1000
Key = tuple[tuple[str, object], ...]


class Summary:
    """Log lines of one event; those with equal fields become one."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._told_at: dict[Key, float] = {}
        self._waiting: Counter[Key] = Counter()

    @property
    def is_waiting(self) -> bool:
        """Whether something has been noted and not yet told."""
        return bool(self._waiting)

    def note(self, **fields: object) -> None:
        """Tell of it at once, or with the next of its kind."""
        if self._is_known(key := tuple(fields.items())) or len(self._told_at) < MOST_KEYS:
            self._waiting[key] += 1
        self.tell()

    def tell(self) -> None:
        """Write what is due."""
        now = monotonic()
        last = now - EVERY_SECONDS
        for key in [key for key in self._waiting if self._told_at.get(key, last) <= last]:
            self._told_at[key] = now
            log_event(self._event, **dict(key), count=self._waiting.pop(key))

    def _is_known(self, key: Key) -> bool:
        if len(self._told_at) >= MOST_KEYS:  # forget those that have not come again
            old = monotonic() - EVERY_SECONDS
            self._told_at = {each: at for each, at in self._told_at.items() if at > old}
        return key in self._told_at

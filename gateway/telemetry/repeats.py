"""Thins out repeated messages: the first of a kind is written at once, the others once a minute as a count.

Used for refused connections of the DICOM port and of the web port: a peer that tries a hundred times a second
does not fill log and audit trail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from time import monotonic

WINDOW_SECONDS = 60.0
MAX_KINDS = 1000
"""Kinds of message that are counted separately at one time; all others count as one kind."""

Message = Mapping[str, str]


@dataclass(slots=True)
class _Kind:
    message: Message
    since: float
    repeated: int = 0


class Repeats:
    """Passes messages on to `tell`, each with the number of its repetitions since the last time.

    Parameters
    ----------
    tell
        Takes a message and a count; the count is 0 for a message that has just come.
    kinds_per_address
        Different messages of one address that are counted separately within a minute.
    """

    def __init__(self, tell: Callable[[Message, int], None], kinds_per_address: int) -> None:
        self._tell = tell
        self._kinds_per_address = kinds_per_address
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._lock = Lock()

    def note(self, address: str, message: Message) -> None:
        """Pass a message of this address on, unless an equal one was passed on less than a minute ago."""
        now = monotonic()
        with self._lock:
            key = self._key(address, message)
            kind = self._kinds.get(key)
            if kind is not None:
                kind.repeated += 1
                return
            self._kinds[key] = _Kind(message, now)
        self._tell(message, 0)

    def flush(self, *, everything: bool = False) -> None:
        """Pass on the counts of the minutes that are over, or all counts."""
        now = monotonic()
        with self._lock:
            over = [
                key for key, each in self._kinds.items() if everything or now - each.since > WINDOW_SECONDS
            ]
            kinds = [self._kinds.pop(key) for key in over]
            for key, kind in zip(over, kinds, strict=True):
                if kind.repeated and not everything:  # it goes on: its next minute begins
                    self._kinds[key] = _Kind(kind.message, now)
        for kind in kinds:
            if kind.repeated:
                self._tell(kind.message, kind.repeated)

    def _key(self, address: str, message: Message) -> tuple[str, ...]:
        key = (address, *message.values())
        if key in self._kinds:
            return key
        if len(self._kinds) >= MAX_KINDS:
            return ("",)
        of_address = sum(1 for each in self._kinds if each[0] == address)
        return (address,) if of_address >= self._kinds_per_address else key

"""The places of associations over all hosts of one PostgreSQL database; `Places` is exact over one host.

`Admission` takes a place here where several hosts may share the limits. An association costs one short
transaction, its end a statement at most: a thread tells of ends within `TELL_SECONDS`. A peer that associates
again at once, at another host, may find its former place still taken: a limit is looked at again for
`PATIENCE_SECONDS` before it rejects. While the database is away the limits hold for each host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Event as Signal
from threading import Lock, Thread
from time import monotonic, sleep

from gateway.errors import Retry
from gateway.receive.places import Full, Places
from gateway.settings import SCP
from gateway.store.receivers import LEASE_SECONDS, Counts, Receivers
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

TELL_SECONDS = 0.25
"""Longest time until other hosts know that an association has ended, while the database answers."""

PATIENCE_SECONDS = 1.5
"""Time for which an association waits for a place at other hosts."""

AWAY_SECONDS = 5.0
"""Time after a failure for which the database is not asked: each host counts for itself."""

_LEASE_IS_RENEWED_SECONDS = LEASE_SECONDS / 3
_LOCK_SECONDS = 2.0


class PlacesOfAllHosts:
    """The places as one receiver sees them; safe for threads."""

    def __init__(self, scp: SCP, here: Places, receivers: Receivers) -> None:
        self._in_all = scp.max_associations
        self._from_address = scp.max_associations_per_peer
        self._here = here
        self._receivers = receivers
        self._deciding = Lock()  # what is told to others never holds an association that is being decided
        self._changed, self._ended = Signal(), Signal()
        self._away_until = float("-inf")
        self._is_away = False

    def start(self) -> None:
        """Begin to tell other hosts."""
        self._thread = Thread(target=self._tell, name="places", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Free every place of this receiver at other hosts."""
        self._ended.set()
        self._changed.set()
        self._thread.join(_LOCK_SECONDS)  # longer where the database hangs: then the lease ends
        try:
            self._receivers.leave()
        except Retry:
            return  # the lease ends

    def take(self, address: str) -> int | Full:
        """Return a place for an association from `address`, or the limit that leaves none; may wait."""
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            place, is_elsewhere = self._decide(address)
            if not (isinstance(place, Full) and is_elsewhere) or monotonic() > deadline:
                return place
            sleep(TELL_SECONDS)

    def free(self, place: int) -> None:
        """Free a place that this receiver has taken."""
        self._here.free(place)
        self._changed.set()

    def is_least(self, connections: int) -> bool:
        """See `Places`."""
        return self._here.is_least(connections)

    def _decide(self, address: str) -> tuple[int | Full, bool]:
        if not self._deciding.acquire(timeout=_LOCK_SECONDS):  # the database hangs
            return self._here.take(address), False
        try:
            place = self._here.take(address)
            if isinstance(place, Full):
                return place, False
            full = self._exchange(address, place)
            return (place, False) if full is None else (full, True)
        finally:
            self._deciding.release()

    def _exchange(self, address: str, place: int) -> Full | None:
        """Tell other hosts of the places here; free `place` where others leave none for `address`."""
        found: list[Full] = []

        def decide(elsewhere: Counter[str]) -> Counts:
            full = self._full(elsewhere, address)
            if full is not None:
                self._here.free(place)
                found.append(full)
            return self._here.own()

        self._ask(lambda: self._receivers.exchange(decide))
        return found[0] if found else None

    def _ask(self, question: Callable[[], None]) -> None:
        """Ask the database, unless it failed a moment ago."""
        if monotonic() < self._away_until:
            return
        try:
            question()
        except Retry as retry:
            self._away_until = monotonic() + AWAY_SECONDS
            if not self._is_away:
                log_event(Event.WAITING, task="limits over all hosts", reason=str(retry))
            self._is_away = True
        else:
            self._is_away = False

    def _full(self, elsewhere: Counter[str], address: str) -> Full | None:
        here = self._here.all()
        if here.total() + elsewhere.total() > self._in_all:
            return Full.IN_ALL
        return Full.FROM_ADDRESS if here[address] + elsewhere[address] > self._from_address else None

    def _tell(self) -> None:
        """Renew the lease, and tell of associations that have ended."""
        while not self._ended.is_set():
            with self._deciding:
                self._changed.clear()
                self._ask(lambda: self._receivers.tell(self._here.own()))
            self._changed.wait(_LEASE_IS_RENEWED_SECONDS)
            self._ended.wait(TELL_SECONDS)

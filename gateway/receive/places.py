"""The places of associations: `max_associations` in all, `max_associations_per_peer` from one address.

`Admission` takes a place for each association and frees it at the end. The places lie in memory that all
receivers of a port share, so both limits are exact over all of them. The places of a receiver that was killed
are free again once its successor starts.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from mmap import mmap
from threading import Lock

from gateway.receive.port import Share
from gateway.settings import SCP

_PLACE = struct.Struct("B47s")  # number of the receiver + 1, address of the peer
_FREE = bytes(_PLACE.size)


class Full(Enum):
    """The limit that leaves no place."""

    IN_ALL = "scp.max_associations"
    FROM_ADDRESS = "scp.max_associations_per_peer"


class Places:
    """The places as one receiver sees them; safe for threads, and for the processes that share them."""

    def __init__(self, scp: SCP, share: Share) -> None:
        self._from_address = scp.max_associations_per_peer
        self._owner = share.number + 1
        self._others = {number + 1 for number in range(share.receivers)} - {self._owner}
        self._shared = share.places
        size = scp.max_associations * _PLACE.size
        if self._shared is not None:  # as many as the supervisor made, whatever the settings say by now
            size = os.fstat(self._shared).st_size
        self._memory = mmap(-1 if self._shared is None else self._shared, size)
        self._in_all = min(scp.max_associations, size // _PLACE.size)
        self._lock = Lock()
        self._free_those_of_the_predecessor()

    def take(self, address: str) -> int | Full:
        """Return a place for an association from `address`, or the limit that leaves none."""
        with self._locked():
            places = list(_PLACE.iter_unpack(self._memory))
            taken = [peer for owner, peer in places if owner]
            if len(taken) >= self._in_all:
                return Full.IN_ALL
            if taken.count(_padded(address)) >= self._from_address:
                return Full.FROM_ADDRESS
            place = next(number for number, (owner, _) in enumerate(places) if not owner)
            _PLACE.pack_into(self._memory, place * _PLACE.size, self._owner, _padded(address))
            return place

    def free(self, place: int) -> None:
        """Free a place that this receiver has taken."""
        with self._locked():
            self._clear(place)

    def own(self) -> Counter[str]:
        """Return the associations of this receiver by the peer's address."""
        with self._locked():
            places = list(_PLACE.iter_unpack(self._memory))
        return Counter(_address(peer) for owner, peer in places if owner == self._owner)

    def all(self) -> Counter[str]:
        """Return the associations of every receiver of the port by the peer's address."""
        with self._locked():
            places = list(_PLACE.iter_unpack(self._memory))
        return Counter(_address(peer) for owner, peer in places if owner)

    def is_least(self, connections: int) -> bool:
        """Tell whether no other receiver has fewer associations than this one has connections."""
        with self._locked():
            associations = Counter(owner for owner, _ in _PLACE.iter_unpack(self._memory))
        return all(associations[other] >= connections for other in self._others)

    def _free_those_of_the_predecessor(self) -> None:
        with self._locked():
            for place, (owner, _) in enumerate(_PLACE.iter_unpack(self._memory[:])):
                if owner == self._owner:
                    self._clear(place)

    def _clear(self, place: int) -> None:
        self._memory[place * _PLACE.size : (place + 1) * _PLACE.size] = _FREE

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude the other threads, and the other processes: a lock that a killed process held is free."""
        with self._lock:
            if self._shared is None:
                yield
                return
            fcntl.lockf(self._shared, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._shared, fcntl.LOCK_UN)


def make_places(scp: SCP) -> int:
    """Return the descriptor of free places that several receivers can share; it belongs to no disk."""
    descriptor = os.memfd_create("places")
    os.ftruncate(descriptor, scp.max_associations * _PLACE.size)
    return descriptor


def _address(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode()


def _padded(address: str) -> bytes:
    return address.encode().ljust(_PLACE.size - 1, b"\0")

"""The associations whose image waits for the disk: a disk that hangs ends their connections.

A thread within a call of a hung file system can neither answer nor be stopped. Its peer would wait for as
long as the disk; a closed connection tells it to send again. Called by `c_store` and `listener`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic

from pynetdicom.association import Association

from gateway.files.answering import ANSWER_SECONDS, Answering

DOUBTFUL_SECONDS = 5.0
"""Seconds after which a wait is a reason to ask whether the disk answers."""

LOST_SECONDS = DOUBTFUL_SECONDS + ANSWER_SECONDS
"""Seconds after which a wait is lost where the disk hangs; who asked first has refused before."""


class DiskWaits:
    """Knows for how long each image has waited.

    Parameters
    ----------
    disks
        The folders that an image needs.
    """

    def __init__(self, *disks: Answering) -> None:
        self._disks = disks
        self._since: dict[Association, float] = {}
        self._lock = Lock()

    @contextmanager
    def waiting(self, assoc: Association) -> Iterator[None]:
        """Note that an association waits for the disk, for the length of a block."""
        with self._lock:
            self._since[assoc] = monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._since.pop(assoc, None)

    def hung(self) -> list[Association]:
        """Return the associations that have waited too long for a disk that hangs; each is returned once."""
        now = monotonic()
        with self._lock:
            since = dict(self._since)
        if not any(each < now - DOUBTFUL_SECONDS for each in since.values()):
            return []
        if not any(disk.is_hanging() for disk in self._disks):
            return []
        late = [assoc for assoc, each in since.items() if each < now - LOST_SECONDS]
        with self._lock:
            return [assoc for assoc in late if self._since.pop(assoc, None) is not None]

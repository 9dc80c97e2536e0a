"""Whether one more image may come: space on the disk and in the queue."""

from __future__ import annotations

from threading import Lock
from time import monotonic

from gateway.dicom.statuses import Refuse, Status
from gateway.errors import Retry
from gateway.settings import SCP
from gateway.store.ledger import Ledger
from gateway.store.spool import Spool

COUNT_LASTS_SECONDS = 1.0
"""How long a count of the queue is used: one query a second, not one per image."""


class Capacity:
    """The limits `min_free_disk_mb`, `reject_below_disk_mb` and `max_queued_images`."""

    def __init__(self, settings: SCP, spool: Spool, ledger: Ledger) -> None:
        self._settings = settings
        self._spool = spool
        self._ledger = ledger
        self._lock = Lock()
        self._queued = 0
        self._counted_at = float("-inf")

    def is_exhausted(self) -> bool:
        """Tell whether the disk is so full that not even an association is worth it."""
        try:
            return self._spool.free_mb() < self._settings.reject_below_disk_mb
        except Retry:  # the sender of an image is told why
            return False

    def check(self) -> None:
        """Raise `Refuse` (A700) where an image has no room, `Retry` where spool or ledger are away."""
        if self._spool.free_mb() < self._settings.min_free_disk_mb:
            raise Refuse(Status.OUT_OF_RESOURCES, "the disk is nearly full")
        if self._count() >= self._settings.max_queued_images:
            raise Refuse(Status.OUT_OF_RESOURCES, "too many images wait for their answer")

    def _count(self) -> int:
        with self._lock:
            if monotonic() - self._counted_at > COUNT_LASTS_SECONDS:
                self._queued = self._ledger.queued()
                self._counted_at = monotonic()
            return self._queued

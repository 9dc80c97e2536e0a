"""The limits on disk space and on queued images, checked before an image is kept.

Called by `Intake` for each image and by `Admission` for each association.
"""

from __future__ import annotations

from threading import Lock
from time import monotonic

from gateway.dicom.statuses import Refuse, Status
from gateway.errors import Retry
from gateway.files.answering import Answering
from gateway.settings import SCP
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects

COUNT_LASTS_SECONDS = 1.0
"""Seconds for which a count of the queue is used: one query a second instead of one for each image."""


class Capacity:
    """The limits `min_free_disk_mb`, `reject_below_disk_mb` and `max_queued_images`.

    Parameters
    ----------
    data_dir
        Where database, log and audit trail lie; None where nobody asks whether it answers.
    """

    def __init__(
        self, settings: SCP, store: Objects, ledger: Ledger, data_dir: Answering | None = None
    ) -> None:
        self._settings = settings
        self._store = store
        self._ledger = ledger
        self._data_dir = data_dir
        self._lock = Lock()
        self._queued = 0
        self._counted_at = float("-inf")

    def is_exhausted(self) -> bool:
        """Tell whether free disk space is below `reject_below_disk_mb`: associations are rejected."""
        try:
            return self._store.free_mb() < self._settings.reject_below_disk_mb
        except Retry:  # `check` gives the sender of an image the reason
            return False

    def check(self) -> None:
        """Check that one more image has room.

        Raises
        ------
        Refuse
            OUT_OF_RESOURCES, if the disk is nearly full or too many images wait for their answer.
        Retry
            If data directory, store or ledger are away.
        """
        if self._data_dir is not None:
            self._data_dir.check()
        if self._store.free_mb() < self._settings.min_free_disk_mb:
            raise Refuse(Status.OUT_OF_RESOURCES, "the disk is nearly full")
        if self._count() >= self._settings.max_queued_images:
            raise Refuse(Status.OUT_OF_RESOURCES, "too many images wait for their answer")

    def _count(self) -> int:
        with self._lock:
            if monotonic() - self._counted_at > COUNT_LASTS_SECONDS:
                self._queued = self._ledger.queued()
                self._counted_at = monotonic()
            return self._queued

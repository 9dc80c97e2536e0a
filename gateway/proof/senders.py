"""Senders that repeat each image until it is acknowledged, as modalities do. `conduct` runs them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.errors import Retry
from gateway.requestor.send import send_files
from gateway.requestor.storage_scu import DicomNode

IMAGES_PER_ASSOCIATION = 8
PAUSE_SECONDS = 0.1


class Senders:
    """Concurrent senders; each has its own share of the images.

    Parameters
    ----------
    images
        File → SOP Instance UID, in the order of sending.
    """

    def __init__(self, images: Mapping[Path, str], node: DicomNode, count: int) -> None:
        self._images = images
        self._node = node
        self._acknowledged: set[Path] = set()
        self._released = 0
        self._stopping = threading.Event()
        files = list(enumerate(images))
        self._threads = [
            threading.Thread(target=self._send, args=(files[number::count],)) for number in range(count)
        ]

    @property
    def acknowledged(self) -> set[str]:
        """The SOP Instance UIDs of acknowledged images."""
        return {self._images[file] for file in self._acknowledged.copy()}

    @property
    def released(self) -> int:
        """The number of images that may be sent now."""
        return self._released

    def release(self, count: int) -> None:
        """Release at least the first `count` images."""
        self._released = min(max(self._released, count), len(self._images))

    def start(self) -> None:
        """Start sending released images."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop sending."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self, share: Sequence[tuple[int, Path]]) -> None:
        while not self._stopping.is_set():
            due = [file for number, file in share if number < self._released]
            due = [file for file in due if file not in self._acknowledged][:IMAGES_PER_ASSOCIATION]
            if not (due and self._send_once(due)):
                self._stopping.wait(PAUSE_SECONDS)

    def _send_once(self, files: Sequence[Path]) -> bool:
        """Send over one association; return False if the gateway does not accept or loses the association."""
        try:
            for sent in send_files(files, self._node):
                if sent.stored:
                    self._acknowledged.add(sent.file)
        except (Retry, RuntimeError):  # pynetdicom's, when the association ends between two images
            return False
        return True

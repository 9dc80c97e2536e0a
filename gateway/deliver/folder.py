"""Results as files: `<StudyInstanceUID>/<name>`."""

from __future__ import annotations

import errno
import filecmp
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.outcome import Outcome, Verdict
from gateway.doctor.finding import Finding, good, wrong
from gateway.files.atomic import copy_durably
from gateway.files.folders import existing, make_folder, sync_folder
from gateway.settings import FolderDestination
from gateway.store.entries import PendingDelivery

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class ResultsFolder(Destination):
    """A folder that takes results of every kind.

    Parameters
    ----------
    data_dir
        The folder itself is made; the folders above it are made only within `data_dir`, as a disk may not be
        mounted elsewhere.
    """

    timeout_seconds = 30.0  # a file system has none of its own

    def __init__(self, destination: FolderDestination, data_dir: Path | None = None) -> None:
        self.name = destination.name
        self._path = destination.path
        self._data_dir = data_dir

    def accepts(self, kind: str, media_type: str) -> bool:  # noqa: ARG002
        """Take everything."""
        return True

    def deliver(
        self, pending: Sequence[PendingDelivery], stopping: threading.Event | None = None
    ) -> Iterator[Outcome]:
        """Write each result durably; a whole file that is there already is the same result."""
        for delivery in pending:
            if stopping and stopping.is_set():
                return
            try:
                self._make()
                self._write(delivery)
            except OSError as error:
                told = f"{error.filename or self._path}: {error.strerror or error}"
                yield Outcome(delivery, Verdict.LATER, told)
            else:
                yield Outcome(delivery, Verdict.DELIVERED)

    def _make(self) -> None:
        is_ours = self._data_dir is not None and self._path.is_relative_to(self._data_dir)
        above = self._path.parent
        if not is_ours and not above.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder; is its disk mounted?", str(above))
        make_folder(self._path)

    def _write(self, delivery: PendingDelivery) -> None:
        folder = self._path / study_folder(delivery.study_instance_uid)
        path = folder / delivery.name
        if path.is_file() and filecmp.cmp(path, delivery.path, shallow=False):
            return
        make_folder(folder)
        temporary = folder / f".{path.stem}.part"
        temporary.unlink(missing_ok=True)  # of a killed attempt; another that still writes keeps its own file
        try:
            copy_durably(delivery.path, temporary)
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(folder)
        sync_folder(self._path)

    def examine(self, sop_classes: Mapping[str, str]) -> Iterator[Finding]:  # noqa: ARG002
        """Write and sync a file without a name."""
        there = existing(self._path)
        try:
            with tempfile.TemporaryFile(dir=there) as file:
                os.fsync(file.fileno())
        except OSError as error:
            told = f"{self._path} cannot be written: {error.strerror}"
            yield wrong(self.title, told, "here: give this user the right to write there")
        else:
            yield good(self.title, f"{self._path} can be {'written' if there == self._path else 'made'}")

    @property
    def audit_target(self) -> AuditTarget:
        """The path."""
        return AuditTarget(str(self._path), is_node=False)


def study_folder(study_instance_uid: str) -> str:
    """Return the UID, or its hash where it is no UID and could lead elsewhere (`..`)."""
    if _UID.fullmatch(study_instance_uid):
        return study_instance_uid
    return hashlib.sha256(study_instance_uid.encode()).hexdigest()

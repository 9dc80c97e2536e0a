"""Results as files: `<StudyInstanceUID>/<name>`."""

from __future__ import annotations

import errno
import filecmp
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.outcome import Outcome, Verdict
from gateway.doctor.finding import Finding, good, wrong
from gateway.files.atomic import begin_copy
from gateway.files.folders import existing, leave_to_owner, make_folder, study_folder, sync_folder
from gateway.files.mounts import away
from gateway.settings import FolderDestination
from gateway.store.entries import PendingDelivery

TOGETHER = 8  # results that are synced together


class ResultsFolder(Destination):
    """A folder that takes results of every kind.

    Parameters
    ----------
    data_dir
        The folder itself is made; the folders above it are made only within `data_dir`, as a disk may not be
        mounted elsewhere.
    """

    takes_again = True
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
        """Write results durably, some at a time; a whole file that is there already is the same result."""
        for first in range(0, len(pending), TOGETHER):
            if stopping and stopping.is_set():
                return
            *others, last = self._deliver_together(pending[first : first + TOGETHER])
            yield from (replace(each, more_follow=True) for each in others)
            yield last

    def _deliver_together(self, pending: Sequence[PendingDelivery]) -> list[Outcome]:
        """Copy all, sync each, then sync each folder once: the disk's journal takes them together."""
        copies = [_Copy(self._path, delivery) for delivery in pending]
        for step in (self._begin, _Copy.sync, _Copy.give_name):
            for copy in copies:
                copy.take(step)
        for folder in dict.fromkeys(copy.folder for copy in copies):
            self._sync(folder, [copy for copy in copies if copy.folder == folder])
        self._sync(self._path, copies)
        return [copy.outcome for copy in copies]

    def _begin(self, copy: _Copy) -> None:
        self._make()
        copy.begin()

    def _sync(self, folder: Path, copies: Sequence[_Copy]) -> None:
        """Sync the names in a folder; without that no copy in it is delivered."""
        whole = [copy for copy in copies if copy.error is None]
        try:
            if whole:
                sync_folder(folder)
        except OSError as error:
            for copy in whole:
                copy.fail(error)

    def _make(self) -> None:
        if problem := away(self._path):
            raise FileNotFoundError(errno.ENOENT, problem, str(self._path))
        is_ours = self._data_dir is not None and self._path.is_relative_to(self._data_dir)
        above = self._path.parent
        if not is_ours and not above.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder; is its disk mounted?", str(above))
        make_folder(self._path)

    def examine(self, sop_classes: Mapping[str, str]) -> Iterator[Finding]:  # noqa: ARG002
        """Write and sync a file without a name."""
        if problem := away(self._path):
            yield wrong(self.title, f"{self._path}: {problem}", "here: results wait until then")
            return
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


class _Copy:
    """A result on its way into the folder; after an `error` no step is taken."""

    def __init__(self, root: Path, delivery: PendingDelivery) -> None:
        self.folder = root / study_folder(delivery.study_instance_uid)
        self.error: str | None = None
        self._root = root
        self._delivery = delivery
        self._path = self.folder / delivery.name
        self._temporary = self.folder / f".{self._path.stem}.part"
        self._file: BinaryIO | None = None  # None where the whole file is there already

    def take(self, step: Callable[[_Copy], None]) -> None:
        """Take a step; an error of the file system ends the copy."""
        if self.error is None:
            try:
                step(self)
            except OSError as error:
                self.fail(error)

    def begin(self) -> None:
        """Write the file under another name; it is not synced."""
        if self._path.is_file() and filecmp.cmp(self._path, self._delivery.path, shallow=False):
            return
        self.folder.mkdir(exist_ok=True)
        leave_to_owner(self.folder)
        self._temporary.unlink(missing_ok=True)  # of a killed attempt; another that still writes has its own
        self._file = begin_copy(self._delivery.path, self._temporary)

    def sync(self) -> None:
        """Sync the file."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def give_name(self) -> None:
        """Give the file its name."""
        if self._file is not None:
            self._file.close()
            self._temporary.rename(self._path)

    def fail(self, error: OSError) -> None:
        """Note why the file is not there, and leave no part of it."""
        self.error = f"{error.filename or self._root}: {error.strerror or error}"
        if self._file is not None:
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    @property
    def outcome(self) -> Outcome:
        """Delivered, or for later with the error."""
        return Outcome(self._delivery, Verdict.LATER if self.error else Verdict.DELIVERED, self.error)

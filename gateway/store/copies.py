"""Local copies of objects, below the data directory: written by this machine, or fetched from the store.

`S3Objects` and the sandboxes write and read here. A path ends with the hash of its content and its name, so
that equal paths are equal bytes. Nothing is synced: the folder is that of this boot (`this_boot`), and copies
of an earlier one are never read.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.files.data_directory import this_boot
from gateway.files.draft import Buffer, Draft

IN_USE_SECONDS = 900.0
"""A copy that was asked for a moment ago is being read."""

_FULL_AFTER_CLEANING = 0.9


class Copies:
    """A folder of copies; it implements `Shelf`.

    Parameters
    ----------
    root
        Of the received images, or of the results; created as needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._drafts = root / "incoming"

    @property
    def root(self) -> Path:
        """See `Shelf`."""
        return self._root

    def begin(self, head: Buffer = b"") -> Draft:
        """See `Shelf`."""
        self._drafts.mkdir(parents=True, exist_ok=True)
        return Draft(self._drafts, head)

    def finish(self, draft: Draft, name: str) -> Path:
        """See `Shelf`: the path is `<SHA-256 after the head>/<name>`."""
        path = self._root / draft.sha256 / name
        self.place(draft, path)
        return path

    def place(self, draft: Draft, path: Path) -> None:
        """Give a draft this path, unless another one is there; `OSError` as the disk has it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            draft.discard()
            raise
        draft.finish(path, durably=False)

    def has(self, path: Path) -> bool:
        """Tell whether there is a copy, and keep it for a while if so."""
        try:
            os.utime(path)
        except OSError:
            return False
        return True

    def remove(self, path: Path) -> None:
        """Delete a copy, if there is one."""
        with suppress(OSError):
            path.unlink()
            if path.parent != self._drafts:
                path.parent.rmdir()

    def free_mb(self) -> int:
        """Return the free space of the file system in MiB; `OSError` as the disk has it."""
        self._root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._root).free // (1024 * 1024)

    def shrink(self, most_bytes: int) -> None:
        """Delete what was not used for longest, where there is more than may be."""
        files = sorted(self._files())
        used = sum(size for _, size, _ in files)
        enough = used if used <= most_bytes else _FULL_AFTER_CLEANING * most_bytes
        for used_at, size, path in files:
            if used <= enough or time.time() - used_at < IN_USE_SECONDS:
                break
            self.remove(path)
            used -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._root.glob("*/*"):
            with suppress(FileNotFoundError):  # another process was faster
                about = path.stat()
                yield about.st_mtime, about.st_size, path


def forget_earlier_boots(folder: Path) -> None:
    """Delete the copies of earlier boots: what was not synced before a power cut may be anything."""
    for other in folder.glob("*"):
        if other.name != this_boot():
            shutil.rmtree(other, ignore_errors=True)

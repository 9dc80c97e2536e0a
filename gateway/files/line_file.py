"""A file to which several processes append whole lines; the log and the audit trail are such files.

Anything may rotate the file by renaming it: the next line begins a new one under the old name.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

from gateway.files.folders import leave_to_owner, make_folder


class LineFile:
    """Appends lines to the file that `path` names now. A single write per line keeps lines whole.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._open()

    def append(self, line: bytes) -> int:
        """Write one line; return the size of the file in bytes.

        Raises
        ------
        OSError
            If the disk does not take the whole line; no part of it stays then.
        """
        with self._lock:
            self._follow()
            return self._write(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> None:
        make_folder(self.path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o640)
        leave_to_owner(self.path)
        self._opened = os.fstat(self._descriptor)

    def _follow(self) -> None:
        if not self.is_current():
            former = self._descriptor
            self._open()  # first: where it fails, the former number must not become another file's
            os.close(former)

    def is_current(self) -> bool:
        """Tell whether the path still names the open file."""
        try:
            return os.path.samestat(self.path.stat(), self._opened)
        except FileNotFoundError:
            return False

    def _write(self, line: bytes) -> int:
        written = os.write(self._descriptor, line)
        size = os.fstat(self._descriptor).st_size
        if written < len(line):
            os.ftruncate(self._descriptor, size - written)
            raise OSError("the disk is full")
        return size

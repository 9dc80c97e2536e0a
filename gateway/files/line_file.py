"""A file to which several processes append: whole lines, and never into one that was moved away."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

from gateway.files.folders import make_folder


class LineFile:
    """Appends lines to `path`; where the name has come to mean another file, to that one.

    A single write per line keeps lines whole. So anything may rotate the file by renaming it.

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
        """Write one line; return how large the file has become.

        Raises
        ------
        OSError
            If the disk does not take it: rather no line than half of one.
        """
        with self._lock:
            self._follow()
            return self._write(line)

    def close(self) -> None:
        """Write no more."""
        os.close(self._descriptor)

    def _open(self) -> None:
        make_folder(self.path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o640)
        self._inode = os.fstat(self._descriptor).st_ino

    def _follow(self) -> None:
        if not self.is_current():
            os.close(self._descriptor)
            self._open()

    def is_current(self) -> bool:
        """Tell whether the name still means the file that is open."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _write(self, line: bytes) -> int:
        written = os.write(self._descriptor, line)
        size = os.fstat(self._descriptor).st_size
        if written < len(line):
            os.ftruncate(self._descriptor, size - written)
            raise OSError("the disk is full")
        return size

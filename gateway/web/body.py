"""Request bodies in unnamed files of the data directory.

A large body costs disk instead of memory, and a killed process leaves nothing behind.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Condition
from typing import BinaryIO

from anyio import to_thread
from starlette.requests import Request

from gateway.errors import Retry
from gateway.files.folders import make_folder

WINDOW_BYTES = 1 << 20


@contextmanager
def _errors_are_for_later() -> Iterator[None]:
    """Turn an error of the disk, or a limit of the system, into `Retry`."""
    try:
        yield
    except OSError as error:
        raise Retry(f"the upload cannot be kept: {error.strerror}") from None


class Body:
    """The bytes of one body: searched like `bytes`, a window at a time; parts of it can be mapped.

    Methods raise `Retry` where the disk or the system does not do it now.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self._window, self._window_begin = b"", 0

    def find(self, needle: bytes, begin: int, end: int | None = None) -> int:
        """Return where `needle` first lies between `begin` and `end`, -1 where it does not."""
        last = min(self.size, self.size if end is None else end) - len(needle)
        while begin <= last:
            window = self._window_at(begin, len(needle))
            found = window.find(needle, begin - self._window_begin)
            if found >= 0:
                position = self._window_begin + found
                return position if position <= last else -1
            begin = self._window_begin + len(window) - len(needle) + 1
        return -1

    def read(self, begin: int, end: int) -> bytes:
        """Return the bytes between two positions, which lie near each other."""
        window = self._window_at(begin, end - begin)
        return window[begin - self._window_begin :][: end - begin]

    def view(self, begin: int, end: int) -> memoryview:
        """Map what lies between two positions: pages of the file, not of this process's memory."""
        if begin == end:
            return memoryview(b"")
        start = begin - begin % mmap.ALLOCATIONGRANULARITY
        with _errors_are_for_later():
            mapped = mmap.mmap(self._file.fileno(), end - start, offset=start, access=mmap.ACCESS_READ)
        return memoryview(mapped)[begin - start :]

    def _window_at(self, begin: int, length: int) -> bytes:
        window_end = self._window_begin + len(self._window)
        if not self._window_begin <= begin <= begin + length <= window_end:
            with _errors_are_for_later():
                self._window = os.pread(self._file.fileno(), max(WINDOW_BYTES, length), begin)
            self._window_begin = begin
        return self._window


class Bodies:
    """Takes bodies where there is room for them.

    Parameters
    ----------
    most_mb
        The most that one body may have; `Upload` ends those that have more.
    min_free_mb
        What stays free on the disk.
    """

    def __init__(self, folder: Path, most_mb: int, min_free_mb: int) -> None:
        make_folder(folder)
        self._folder = folder
        self._most_mb, self._min_free_mb = most_mb, min_free_mb

    @asynccontextmanager
    async def taken(self, request: Request) -> AsyncIterator[Body]:
        """Take the whole body of a request; it is gone after the block.

        Raises
        ------
        Retry
            If the disk is, or becomes, too full, or the system opens no file now.
        """
        self._check_room(request)
        with self.file() as file:
            async for piece in request.stream():
                await to_thread.run_sync(write_all, file, piece)
            yield Body(file)

    @contextmanager
    def file(self) -> Iterator[BinaryIO]:
        """Open an empty file without a name; `Retry` where none can be opened now."""
        with _errors_are_for_later():
            opened = TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        with opened as file:
            yield file

    def _check_room(self, request: Request) -> None:
        length = request.headers.get("content-length", "")
        needed_mb = int(length) >> 20 if length.isdecimal() else self._most_mb
        if shutil.disk_usage(self._folder).free >> 20 < self._min_free_mb + needed_mb:
            raise Retry("the disk is nearly full")


class Share:
    """Bytes that several threads may have in hand together; more than that one of them alone."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._changed = Condition()

    @contextmanager
    def of(self, size: int) -> Iterator[None]:
        """Wait until there is room for `size` bytes; they are given back after the block."""
        taken = min(size, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= taken)
            self._left -= taken
        try:
            yield
        finally:
            with self._changed:
                self._left += taken
                self._changed.notify_all()


def write_all(file: BinaryIO, piece: bytes | memoryview) -> None:
    """Write all of `piece`.

    Raises
    ------
    Retry
        If the disk does not take it.
    """
    view = memoryview(piece)
    with _errors_are_for_later():
        while view:
            view = view[file.write(view) :]

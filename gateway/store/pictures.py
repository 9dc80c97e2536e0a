"""Pictures of received images, kept on disk within a bound; they go with the file that they show."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from gateway.errors import Retry
from gateway.files.atomic import replace_file
from gateway.files.folders import make_folder

_FULL_AFTER_CLEANING = 0.9
_FORMER = "*.u16"
"""Pictures of version 0.1, which nothing reads any more, and which must not outlive their image."""


class Kind(StrEnum):
    """Pictures of an image."""

    THUMBNAIL = "jpg"  # at most 160 pixels square
    PREVIEW = "preview.jpg"  # at most 1024 pixels square
    PIXELS = "values"  # all stored values and their tables, after a head


class Pictures:
    """A folder in which anything may be deleted at any time.

    Parameters
    ----------
    folder
        Created when it is first needed.
    most_bytes
        Beyond it goes what was not looked at for longest.
    may_exist
        Tells whether a received file may still be kept; callers have seen that its row says so.
    """

    def __init__(
        self, folder: Path, most_bytes: int, may_exist: Callable[[Path], bool] = Path.exists
    ) -> None:
        self._folder = folder
        self._may_exist = may_exist
        self._most = most_bytes
        self._free = 0  # unknown: the first picture counts what is there

    def find(self, source: Path, kind: Kind) -> Path | None:
        """Return the picture of a received file, None where there is none, or no such file any more."""
        path = self._path(source, kind)
        try:
            os.utime(path)
        except OSError:
            return None
        return path if self._may_exist(source) else None

    def keep(self, source: Path, kind: Kind, content: bytes) -> Path | None:
        """Keep a picture; return None where it cannot be kept, or its file has gone meanwhile."""
        path = self._path(source, kind)
        try:
            make_folder(self._folder)
            replace_file(path, content)
        except OSError:
            return None
        if not self._may_exist(source):
            path.unlink(missing_ok=True)
            return None
        self._free -= len(content)
        if self._free < 0:
            self.make_room()
        return path

    def forget(self, source: Path) -> None:
        """Delete every picture of a received file.

        Raises
        ------
        Retry
            If one cannot be deleted.
        """
        for path in (self._path(source, kind) for kind in Kind):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise Retry(f"{path}: cannot be deleted ({error.strerror})") from error

    def make_room(self) -> None:
        """Delete what was not looked at for longest, where there is more than may be."""
        for former in self._folder.glob(_FORMER):
            with suppress(OSError):
                former.unlink()
        files = sorted(self._files())
        used = sum(size for _, size, _ in files)
        enough = used if used <= self._most else _FULL_AFTER_CLEANING * self._most
        for _, size, file in files:
            if used <= enough:
                break
            with suppress(OSError):
                file.unlink()
            used -= size
        self._free = self._most - used

    def _path(self, source: Path, kind: Kind) -> Path:
        return self._folder / f"{source.stem}.{kind.value}"  # a received file's name is its content's hash

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for file in self._folder.glob("*"):
            with suppress(FileNotFoundError):  # a worker has deleted it with its source
                about = file.stat()
                yield about.st_mtime, about.st_size, file

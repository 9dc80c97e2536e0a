"""A ZIP that is sent while it is written: its size costs no memory.

`study_zip` fills it. Sizes and checksums stand behind each entry, and again in the directory at the end.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

PIECE_BYTES = 1 << 20
WORTH_DEFLATING = 0.9
"""Share of its first piece that is left of a file whose deflating helps: JPEG and its like gain nothing."""

_LEVEL = 1
_ATTRIBUTES = 0o100644 << 16


class Entry(NamedTuple):
    """An entry that was written, with the SHA-256 of its content."""

    size_bytes: int
    sha256: str


class Archive:
    """A ZIP archive whose bytes are taken away as they come."""

    def __init__(self, time: datetime) -> None:
        self._time = time.timetuple()[:6]
        self._out = _Out()
        self._zip = ZipFile(self._out, "w", compresslevel=_LEVEL)
        self.entries: dict[str, Entry] = {}

    def add(self, name: str, file: Path) -> Iterator[bytes]:
        """Add a file, and yield the bytes that are due meanwhile.

        Raises
        ------
        OSError
            Before any byte where the file cannot be opened.
        """
        with file.open("rb") as opened:
            info = self._info(name, opened.seek(0, io.SEEK_END))
            opened.seek(0)
            piece = opened.read(PIECE_BYTES)
            info.compress_type = ZIP_DEFLATED if _helps(piece) else ZIP_STORED
            digest, size = hashlib.sha256(), 0
            with self._zip.open(info, "w") as entry:
                while piece:
                    digest.update(piece)
                    size += len(piece)
                    entry.write(piece)
                    yield self._out.taken()
                    piece = opened.read(PIECE_BYTES)
        self.entries[name] = Entry(size, digest.hexdigest())
        yield self._out.taken()

    def add_text(self, name: str, text: str) -> bytes:
        """Add a short text; return the bytes that are due."""
        content = text.encode()
        info = self._info(name, len(content))
        info.compress_type = ZIP_DEFLATED
        self._zip.writestr(info, content)
        return self._out.taken()

    def end(self) -> bytes:
        """Return the directory of the archive, its last bytes."""
        self._zip.close()
        return self._out.taken()

    def _info(self, name: str, size: int) -> ZipInfo:
        info = ZipInfo(name, self._time)
        info.external_attr = _ATTRIBUTES
        info.file_size = size  # decides whether the entry is of ZIP64
        return info


class _Out(io.RawIOBase):
    """Takes bytes in order; it knows no position, so that `ZipFile` never goes back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _helps(piece: bytes) -> bool:
    return len(zlib.compress(piece, _LEVEL)) < WORTH_DEFLATING * len(piece)

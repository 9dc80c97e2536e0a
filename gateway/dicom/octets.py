"""Sources of bytes for `Elements`: a buffer, an open file, or a deflated data set inflated on the way.

Each source is read once, from front to back. Inflating is bounded by `MAX_INFLATED_BYTES`.
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO, Protocol

from gateway.dicom.unreadable import Fault, Unreadable

MAX_INFLATED_BYTES = 256 * 1024 * 1024
"""Limit on the inflated size of a data set: several times the largest radiograph."""

_PIECE = 16 * 1024  # of deflated bytes: zlib copies the unconsumed rest of each
_INFLATED_PIECE = 256 * 1024


class Octets(Protocol):
    """A source of bytes; `position` is the number of bytes read or skipped so far."""

    position: int

    def read(self, count: int) -> bytes | memoryview:
        """Return the next `count` bytes, fewer at the end."""

    def skip(self, count: int) -> int:
        """Pass over `count` bytes; return how many there were."""


class InMemory:
    """The bytes of a buffer, without a copy."""

    def __init__(self, data: memoryview) -> None:
        self.position = 0
        self._data = data

    def read(self, count: int) -> memoryview:
        """Return the next `count` bytes, fewer at the end."""
        begin = self.position
        part = self._data[begin : begin + count]
        self.position = begin + len(part)
        return part

    def skip(self, count: int) -> int:
        """Pass over `count` bytes; return how many there were."""
        begin, self.position = self.position, min(self.position + count, len(self._data))
        return self.position - begin

    def between(self, begin: int, end: int) -> bytes:
        """Return bytes that have been passed."""
        return bytes(self._data[begin:end])


class OnDisk:
    """The bytes of an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self.position = file.tell()
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer at the end."""
        part = self._file.read(
            max(0, min(count, self._size - self.position))
        )  # `count` comes from the sender
        self.position += len(part)
        return part

    def skip(self, count: int) -> int:
        """Pass over `count` bytes; return how many there were."""
        begin, self.position = self.position, max(self.position, min(self.position + count, self._size))
        self._file.seek(self.position)
        return self.position - begin

    def between(self, begin: int, end: int) -> bytes:
        """Return bytes that have been passed."""
        self._file.seek(begin)
        try:
            return self._file.read(end - begin)
        finally:
            self._file.seek(self.position)


class Inflating:
    """The inflated bytes of a deflated data set (PS3.5 A.5); only one piece is in memory at a time."""

    def __init__(self, deflated: memoryview) -> None:
        self.position = 0
        self._deflated = deflated
        self._fed = 0
        self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)  # no zlib header
        self._piece = memoryview(b"")
        self._inflated = 0

    def read(self, count: int) -> bytes | memoryview:
        """Return the next `count` bytes, fewer at the end."""
        part: bytes | memoryview = self._piece[:count]
        if len(part) < count:
            part = bytes(part) + self._next_pieces(count - len(part))
        else:
            self._piece = self._piece[count:]
        self.position += len(part)
        return part

    def skip(self, count: int) -> int:
        """Pass over `count` bytes; return how many there were."""
        left = count
        while left and (self._piece or self._inflate()):
            passed = min(left, len(self._piece))
            self._piece = self._piece[passed:]
            left -= passed
        self.position += count - left
        return count - left

    def _next_pieces(self, count: int) -> bytes:
        parts = []
        while count and self._inflate():
            parts.append(bytes(self._piece[:count]))
            self._piece = self._piece[count:]
            count -= len(parts[-1])
        return b"".join(parts)

    def _inflate(self) -> bool:
        """Inflate the next piece; False at the end.

        Raises
        ------
        Unreadable
            NOT_PARSABLE, TRUNCATED or INFLATES_TOO_FAR.
        """
        self._piece = memoryview(b"")
        while not self._piece and not self._inflater.eof:
            fed = self._inflater.unconsumed_tail or self._feed()
            try:
                self._piece = memoryview(self._inflater.decompress(fed, _INFLATED_PIECE))
            except zlib.error:
                raise Unreadable(Fault.NOT_PARSABLE, "not a deflated data set") from None
            if not fed and not self._piece and not self._inflater.eof:
                raise Unreadable(Fault.TRUNCATED, "the deflated data set ends too early")
        self._inflated += len(self._piece)
        if self._inflated > MAX_INFLATED_BYTES:
            raise Unreadable(Fault.INFLATES_TOO_FAR, f"inflates beyond {MAX_INFLATED_BYTES >> 20} MiB")
        return len(self._piece) > 0

    def _feed(self) -> bytes:
        fed = bytes(self._deflated[self._fed : self._fed + _PIECE])
        self._fed += len(fed)
        return fed

"""A file while it is written: hashed as it grows, beside its later name, then durable under that name.

The receiver writes each fragment of an arriving image into a draft; `atomic` writes whole files with one. A
process that is killed meanwhile leaves a draft, never half a file.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from gateway.files.folders import leave_to_owner, sync_folder

Buffer = bytes | bytearray | memoryview

GROUP_READS = 0o640


class Draft:
    """One file that grows; whoever begins a draft ends it by `finish` or `discard`.

    Parameters
    ----------
    folder
        Of the same file system as the later name.
    head
        First bytes of the file; neither hashed nor counted.

    Attributes
    ----------
    size
        Bytes written after the head.
    is_first
        After `finish`: no other writer was faster, and the file under the name is this one.

    Raises
    ------
    OSError
        If the disk does not take it.
    """

    def __init__(self, folder: Path, head: Buffer = b"", *, mode: int = GROUP_READS) -> None:
        self.size = 0
        self.is_first = False
        self._path = folder / uuid.uuid4().hex
        self._head_size = len(head)
        self._sha256 = hashlib.sha256()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        leave_to_owner(self._path)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._append(head)

    @property
    def sha256(self) -> str:
        """The digest of what was written after the head, in hexadecimal."""
        return self._sha256.hexdigest()

    def write(self, part: Buffer) -> None:
        """Append bytes; `OSError` as the disk has it, and then the draft can only be discarded."""
        self._sha256.update(part)
        self._append(part)
        self.size += len(part)

    def reader(self) -> BinaryIO:
        """Open the file for reading what was written after the head."""
        file = self._path.open("rb")
        file.seek(self._head_size)
        return file

    def finish(self, path: Path, *, durably: bool = True) -> None:
        """Give the file its name; once this returns, the file survives a power cut. The first writer wins.

        A file that is only a copy need not be written `durably`: it survives the end of its writer.

        Raises
        ------
        OSError
            If the disk does not take it; nothing is left behind then.
        """
        try:
            if durably:
                os.fsync(self._file.fileno())
            path.hardlink_to(self._path)  # a rename would replace the file of a faster writer
            self.is_first = True
        except FileExistsError:
            pass
        finally:
            self.discard()
        if durably:
            sync_folder(path.parent)  # also for a faster writer that has linked but not synced yet

    def discard(self) -> None:
        """Delete the draft; nothing happens where it has ended already."""
        if not self._file.closed:
            self._file.close()
            with suppress(OSError):  # the sweep of leftovers finds it
                self._path.unlink(missing_ok=True)

    def _append(self, part: Buffer) -> None:
        try:
            left = memoryview(part)
            while left:
                left = left[os.write(self._file.fileno(), left) :]
        except BaseException:
            self.discard()
            raise

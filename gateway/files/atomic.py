"""Files are written beside their name and then moved to it: a reader finds all of the content, or no file.

Spool, keys, marks, state files and folder destinations call it. A process that is killed meanwhile leaves a
draft, never half a file under the name.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from gateway.files.draft import GROUP_READS, Buffer, Draft
from gateway.files.folders import leave_to_owner

OWNER_READS = 0o600
ALL_READ = 0o644  # of what names nobody
_NOT_BY_SYSTEM = {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}  # for these two file systems


def replace_file(path: Path, content: bytes) -> None:
    """Give a file new content; the last writer wins. A power cut may lose the change, not the file.

    Raises
    ------
    OSError
        If the disk does not take it; the file is as it was then.
    """
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        draft.write_bytes(content)
        leave_to_owner(draft)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def create_once(
    path: Path, parts: Iterable[Buffer], *, drafts: Path | None = None, mode: int = GROUP_READS
) -> None:
    """Make a file that survives a power cut once this returns; the first of several writers wins.

    Parameters
    ----------
    drafts
        A folder of the same file system that holds the file while it is written; None for its own folder.

    Raises
    ------
    OSError
        If the disk does not take it; nothing is left behind then.
    """
    draft = Draft(drafts or path.parent, mode=mode)
    try:
        for part in parts:
            draft.write(part)
    except BaseException:
        draft.discard()
        raise
    draft.finish(path)


def create_for_all(path: Path, content: bytes) -> None:
    """Make a file that everybody may read, also where there are no hard links, as on removable disks.

    Raises
    ------
    OSError
        If the file exists, or the disk does not take it; no half file is left behind then.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ALL_READ), "wb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink()
            raise
    leave_to_owner(path)


def begin_copy(source: Path, path: Path) -> BinaryIO:
    """Write a copy of a file; return it open, so that the caller syncs it, and later its name.

    The system copies. A file system that can share blocks (XFS, Btrfs) stores none of them twice. A hard link
    would be one file with two names: a change under either would change both.

    Raises
    ------
    OSError
        If the disk does not take it; the file may be there in part.
    """
    with source.open("rb") as given, ExitStack() as unless_whole:
        copy = unless_whole.enter_context(_created(path))
        size = os.fstat(given.fileno()).st_size
        if not _copied_by_system(given.fileno(), copy.fileno(), size):
            shutil.copyfileobj(given, copy)
            copy.flush()
        if os.fstat(copy.fileno()).st_size != size:
            raise OSError(errno.EIO, "the file changed while it was copied", str(source))
        unless_whole.pop_all()
    return copy


def _copied_by_system(source: int, copy: int, size: int) -> bool:
    """Tell whether the system copied all bytes; else both descriptors stand where it stopped."""
    try:
        while size and (copied := os.copy_file_range(source, copy, size)):
            size -= copied
    except OSError as error:
        if error.errno not in _NOT_BY_SYSTEM:
            raise
    return not size


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, GROUP_READS), "wb")

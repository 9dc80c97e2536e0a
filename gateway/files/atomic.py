"""Whole files: a reader finds all of a file's content, or no file.

Spool, keys, marks and state files are written here, beside their name and then moved to it. A process that is
killed meanwhile leaves a draft, never half a file.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gateway.files.draft import GROUP_READS, Buffer, Draft

OWNER_READS = 0o600


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


def write_durably(path: Path, parts: Iterable[Buffer], mode: int = GROUP_READS) -> None:
    """Write and fsync one file; its name is not synced.

    Raises
    ------
    OSError
        If the disk does not take it; the file may be there in part.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        for part in parts:
            _write_all(descriptor, part)
        os.fsync(file.fileno())


def _write_all(descriptor: int, part: Buffer) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(descriptor, view) :]

"""Folders that survive a power cut, and the files in a folder: every part that makes a folder asks here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.errors import GatewayError

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents; each name is on disk when this returns.

    Raises
    ------
    OSError
        If the disk does not take it.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        leave_to_owner(each)
        sync_folder(each.parent)


def leave_to_owner(path: Path) -> None:
    """Give what root has just made to the owner of its folder, as SQLite does.

    Else a command that root runs begins the log or the audit file of a day, and the service cannot write it.
    """
    if os.geteuid():
        return
    with suppress(OSError):  # such as an NFS that takes root for nobody
        folder = path.parent.stat()
        if folder.st_uid:
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: an examination makes none."""
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


def check_writable(folder: Path, option: str) -> None:
    """Refuse a folder that files cannot be written into, or that cannot be made, before any time is spent.

    Raises
    ------
    GatewayError
        With the option that names another folder.
    """
    there = existing(folder.absolute())
    if not there.is_dir():
        raise GatewayError(f"{folder}: {there} is no folder; name another one by {option}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise GatewayError(f"{folder}: this user cannot write to {there}; name another one by {option}")


def files_below(folder: Path) -> list[Path]:
    """Return every file in a folder and the folders in it, sorted; each folder once, by whichever link.

    A link that leads nowhere is among them: whoever opens it learns that a file is missing.

    Raises
    ------
    GatewayError
        If one of the folders cannot be read: its files would be missing, and nobody would know.
    """

    try:
        return list(_files_below(folder, {folder.resolve()}))
    except OSError as error:
        raise GatewayError(f"{error.filename}: {error.strerror}; make it readable, or take it away") from None


def _files_below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    for each in sorted(folder.iterdir()):
        if not each.is_dir():
            if each.is_file() or not each.exists():
                yield each
        elif (place := each.resolve()) not in seen:
            seen.add(place)
            yield from _files_below(each, seen)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files, and those below the folders, in order.

    Raises
    ------
    GatewayError
        If a path does not exist or is a device, a folder cannot be read, or nothing is found.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise GatewayError(f"{path}: no such file or folder")
        if not path.is_dir() and not path.is_file():
            raise GatewayError(f"{path}: neither a file nor a folder; a pipe or a device may never end")
        found += files_below(path) if path.is_dir() else [path]
    if not found:
        raise GatewayError(f"{', '.join(map(str, paths))}: no files there")
    return found


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def study_folder(study_instance_uid: str) -> str:
    """Return the UID, or its hash where it is no UID and could lead elsewhere (`..`)."""
    if _UID.fullmatch(study_instance_uid):
        return study_instance_uid
    return hashlib.sha256(study_instance_uid.encode()).hexdigest()

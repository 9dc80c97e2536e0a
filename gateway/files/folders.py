"""Folders that survive a power cut: every part that makes a folder makes it here."""

from __future__ import annotations

import os
from pathlib import Path


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
        sync_folder(each.parent)


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: an examination makes none."""
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


def sync_folder(folder: Path) -> None:
    """Make a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

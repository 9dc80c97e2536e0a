"""Locks between processes: a file that one process holds until it unlocks or closes the file, or ends.

Supervisor, workers, the writers of SQLite, the log and the audit forwarder lock with it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.files.folders import leave_to_owner


def open_lock(path: Path) -> int:
    """Open a lock file, made where it is missing; return its descriptor, which no child inherits by itself.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    leave_to_owner(path)
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process and those that inherit it; return False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Let another process lock the file; it stays open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)

"""A mount whose file system never answers, as NFS while its server is away: FUSE, with nobody behind it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def can_mount() -> bool:
    return os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK)


@contextmanager
def hung(folder: Path) -> Iterator[None]:
    """Cover a folder by a mount that does not answer, for the length of a block."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    _call("mount", b"hung", bytes(folder), b"fuse", 0, options.encode())
    try:
        yield
    finally:
        os.close(device)  # ends the calls that wait
        _call("umount2", bytes(folder), _MNT_DETACH)


def _call(name: str, *arguments: bytes | int) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")

"""Tells folders whose disk is not mounted: /etc/fstab names it, and the empty folder below is there instead.

What starts a gateway or writes results asks here before it makes a folder: all of it would lie on the wrong
disk, and be hidden once the right one is mounted. Mounts that are not in /etc/fstab are not known here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

FSTAB = Path("/etc/fstab")
MOUNTED = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


class _Mount(NamedTuple):
    """A file system's device, and which folder of the file system is seen at which path."""

    device: str
    root: Path
    point: Path


def away(folder: Path) -> str | None:
    """Say which mount above a folder is missing, and what to do; None where none is, or nobody can tell."""
    real = Path(os.path.realpath(folder))
    expected = [point for point in _expected() if real.is_relative_to(point)]
    if not expected or not (mounted := list(_mounted())):
        return None
    point = max(expected, key=lambda each: len(each.parts))
    below = [each for each in mounted if each.point.is_relative_to(point)]
    if any(real.is_relative_to(each.point) and not _shows_itself(each, mounted) for each in below):
        return None
    return f"{point} is not mounted, which {FSTAB} names: mount it, or correct {FSTAB}"


def _shows_itself(mount: _Mount, others: Iterable[_Mount]) -> bool:
    """Tell a folder mounted at its own path, as systemd does for `ReadWritePaths`: it brings no disk."""
    return any(
        mount.point != other.point
        and mount.point.is_relative_to(other.point)
        and mount.device == other.device
        and mount.root == other.root / mount.point.relative_to(other.point)
        for other in others
    )


def _expected() -> Iterator[Path]:
    """Yield the mount points of /etc/fstab but the root, which is always there."""
    for fields in _lines(FSTAB):
        if not fields[0].startswith("#") and len(fields) > 1:
            point = _path(fields[1])
            if point.is_absolute() and point != Path("/"):
                yield point


def _mounted() -> Iterator[_Mount]:
    """Yield what is mounted: see proc_pid_mountinfo(5)."""
    for fields in _lines(MOUNTED):
        yield _Mount(fields[2], _path(fields[3]), _path(fields[4]))


def _lines(table: Path) -> Iterator[list[str]]:
    """Yield the fields of each line that has some; no line where the table cannot be read."""
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    yield from filter(None, map(str.split, lines))


def _path(field: str) -> Path:
    return Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), field))

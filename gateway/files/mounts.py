"""Tells folders whose disk is not mounted: /etc/fstab names it, and the empty folder below is there instead.

What starts a gateway or writes results asks here before it makes a folder: all of it would lie on the wrong
disk, and be hidden once the right one is mounted. Mounts that are not in /etc/fstab are not known here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

FSTAB = Path("/etc/fstab")
MOUNTED = Path("/proc/self/mountinfo")
_POINT_IN_FSTAB, _POINT_IN_MOUNTED = 1, 4  # fields
_OCTAL = re.compile(r"\\([0-7]{3})")


def away(folder: Path) -> str | None:
    """Say which mount above a folder is missing, and what to do; None where none is."""
    real = Path(os.path.realpath(folder))
    expected = [point for point in _points(FSTAB, _POINT_IN_FSTAB) if real.is_relative_to(point)]
    if not expected:
        return None
    point = max(expected, key=lambda each: len(each.parts))
    mounted = _points(MOUNTED, _POINT_IN_MOUNTED)
    if any(real.is_relative_to(each) and each.is_relative_to(point) for each in mounted):
        return None
    return f"{point} is not mounted, which {FSTAB} names: mount it, or correct {FSTAB}"


def _points(table: Path, field: int) -> Iterator[Path]:
    """Yield the mount points of a table but the root, which is always there; none where it cannot be read."""
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if not line.lstrip().startswith("#") and len(fields) > field:
            point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[field]))
            if point.is_absolute() and point != Path("/"):
                yield point

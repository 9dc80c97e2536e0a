"""The file systems that can become full: that of the data directory, and that of images which lie elsewhere.

Health, metrics and dashboard ask for them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from gateway.web.site import Site


class Disk(NamedTuple):
    """Free space and size of a file system, in bytes."""

    free: int
    total: int

    @property
    def used(self) -> float:
        """Share in use, 0-1."""
        return (self.total - self.free) / self.total if self.total else 1.0


def disks(site: Site) -> dict[str, Disk]:
    """Return the disks by what they hold, `data_dir` and `images`; one that does not answer is left out.

    The data directory must have answered: `Site.data_dir`.
    """
    found = {"data_dir": _disk(site.settings.data_dir)}
    folder = site.settings.images_elsewhere
    if folder and not site.stores.received.problem():
        found["images"] = _disk(folder)
    return found


def _disk(folder: Path) -> Disk:
    usage = shutil.disk_usage(folder)
    return Disk(usage.free, usage.total)

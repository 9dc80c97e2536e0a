"""Limits the memory of a process that decodes images: an image beyond the limit fails, its process goes on.

The sandboxes call it at their start. The limit is on private, writable memory (RLIMIT_DATA),
not on address space: the C library reserves 64 MiB of addresses for each of its arenas.
"""

from __future__ import annotations

import re
import resource
from contextlib import suppress
from pathlib import Path

BYTES_PER_PIXEL = 24
"""Twice the peak of decoding: 10 to 12 bytes were measured for 50 million pixels in every codec."""

KEPT_BYTES_PER_PIXEL = 2

ROOM_BYTES = 1 << 30
"""Memory for threads, a network and results."""

_STATUS = Path("/proc/self/status")


def limit_memory(megapixels: float, *, images_kept: int = 0) -> None:
    """Limit this process to its present memory, `ROOM_BYTES` and the memory of the largest images.

    Parameters
    ----------
    megapixels
        Limit on the pixels of an image, in millions.
    images_kept
        Decoded images that the process keeps, beside the one that it decodes.
    """
    with suppress(OSError):  # no Linux: no limit
        used = re.search(r"^VmData:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        if used:
            bytes_per_pixel = BYTES_PER_PIXEL + images_kept * KEPT_BYTES_PER_PIXEL
            needed = int(bytes_per_pixel * megapixels * 1_000_000)
            _limit_data(int(used[1]) * 1024 + ROOM_BYTES + needed)


def _limit_data(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or size < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (size, hard))

"""Keeps freed memory in the process for the next image, so that the kernel need not clear new pages for it.

Sandboxes and `gateway predict` call it. By default the C library returns every large block to the
kernel at once: an image of 10 MB costs a sandbox 5,000 page faults, a sixth of the processor time of its
stages; a JPEG file of a million pixels took 4 ms to read, of which 3 were page faults.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

BLOCK_BYTES = 32 << 20
"""Larger blocks are returned at once: images of more than 16 million pixels are rare."""

KEPT_BYTES = 256 << 20
"""Free memory at the end of the heap beyond it is returned: images of a few batches come and go together."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of the GNU C library


def keep_freed_memory() -> None:
    """Let freed blocks serve the next image; nothing happens with another C library than GNU's."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)

"""Takes a file out of the system's page cache: the next file gets its pages.

Each image would otherwise take new pages until the memory is full. A virtual machine may have to ask its host
for each of them, which takes longer than all else that is done with the bytes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def leave_page_cache(path: Path) -> None:
    """Free the pages of a file that is on disk and will hardly be read again soon; it may be gone."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

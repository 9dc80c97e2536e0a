"""Tells whether a file lies in the page cache."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest


def is_in_page_cache(path: Path) -> bool:
    """Tell whether the file's first byte can be read without its disk; skip where the system cannot tell."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:  # a file system in memory has no other place
            raise
        pytest.skip("this file system does not tell")
    finally:
        os.close(descriptor)
    return True

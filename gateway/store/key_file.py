"""Secret keys, each made once and kept in a file that its owner alone may read."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.files.atomic import OWNER_READS, create_once
from gateway.files.folders import make_folder

KEY_BYTES = 32


def key_in(file: Path) -> bytes:
    """Return the key of a file, which is made where it is missing; all callers get the same key.

    Raises
    ------
    OSError
        If it can be neither read nor written.
    """
    if not file.exists():
        make_folder(file.parent)
        create_once(file, [os.urandom(KEY_BYTES)], mode=OWNER_READS)
    return file.read_bytes()

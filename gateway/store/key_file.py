"""A secret that is made once and kept in a file of its own."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from gateway.files.folders import make_folder

KEY_BYTES = 32


def key_in(file: Path) -> bytes:
    """Return the key; it is made where there is none, and is the same for all who come at once.

    Raises
    ------
    OSError
        If it can be neither read nor written.
    """
    if not file.exists():
        make_folder(file.parent)
        with tempfile.NamedTemporaryFile(dir=file.parent) as draft:  # readable by this user alone
            draft.write(os.urandom(KEY_BYTES))
            draft.flush()
            os.fsync(draft.fileno())
            with suppress(FileExistsError):
                os.link(draft.name, file)
    return file.read_bytes()

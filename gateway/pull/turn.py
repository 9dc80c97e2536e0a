"""The turn at a source: one process of this machine at a time has an association with it.

A lock of the file system, which ends with the process, whatever ends it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from gateway.errors import Retry
from gateway.files.folders import make_folder
from gateway.files.lock import open_lock, try_lock

_ASK_SECONDS = 0.5


@contextmanager
def turn_at(run: Path, name: str, stopping: threading.Event, seconds: float) -> Iterator[None]:
    """Hold the turn at the source `name`; `run` is the folder of the lock files.

    Raises
    ------
    Retry
        If another process has it for longer than `seconds`, or the gateway stops meanwhile.
    """
    make_folder(run)
    plain = re.sub(r"[^A-Za-z0-9]", "_", name)
    descriptor = open_lock(run / f"pull-{plain}-{sha256(name.encode()).hexdigest()[:8]}.lock")
    try:
        waited = 0.0
        while not try_lock(descriptor):
            if waited >= seconds or stopping.wait(_ASK_SECONDS):
                raise Retry(f"{name}: another process of this gateway asks it just now; try again later")
            waited += _ASK_SECONDS
        yield
    finally:
        os.close(descriptor)

"""A descriptor kept for the connection that a listener could not accept: health checks must be answered."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""Errors of a process, or a system, that has nothing left for a file or a connection."""


class SpareDescriptor:
    """One descriptor of `/dev/null`, which can be given up and is taken again when there is one."""

    def __init__(self) -> None:
        self._held: int | None = None
        self.keep()

    def keep(self) -> None:
        """Hold a descriptor, if there is one."""
        if self._held is None:
            with suppress(OSError):
                self._held = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def give_up(self) -> bool:
        """Close the descriptor, so that the next call may have it; False: there was none."""
        if self._held is None:
            return False
        os.close(self._held)
        self._held = None
        return True

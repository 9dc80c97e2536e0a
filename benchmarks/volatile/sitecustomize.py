"""Disables fsync in a gateway; Python imports this file at its start when the folder is on PYTHONPATH."""

import os
from typing import Any

from sqlalchemy import Pool, event


def _leave_it_to_the_kernel(_: int) -> None:
    """Return at once; the kernel writes later."""


@event.listens_for(Pool, "checkout")
def _commit_without_sync(connection: Any, *_: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")


os.fsync = os.fdatasync = _leave_it_to_the_kernel

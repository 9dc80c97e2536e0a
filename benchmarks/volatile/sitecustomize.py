"""Takes durability away from a gateway; Python imports this at start when its folder is on PYTHONPATH."""

import os
from typing import Any

from sqlalchemy import Pool, event


def _leave_it_to_the_kernel(_: int) -> None:
    """Return at once: the bytes reach the disk some time."""


@event.listens_for(Pool, "checkout")
def _commit_without_sync(connection: Any, *_: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")


os.fsync = _leave_it_to_the_kernel

"""Tells systemd of this process's state: the protocol of `sd_notify(3)` over `$NOTIFY_SOCKET`.

Called by the supervisor, and by a role that runs without one. Without the variable, which systemd sets for
units of `Type=notify`, nothing happens.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

EXTEND_SECONDS = 60
"""By which a start that waits moves systemd's deadline for it, again and again."""

READY, STOPPING, WATCHDOG = "READY=1", "STOPPING=1", "WATCHDOG=1"


def notify(state: str) -> None:
    """Send a state; a manager that does not listen is no failure of the gateway."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract name (unix(7))
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.sendto(state.encode(), address)

"""The status of each role on this machine: the supervisor writes it, health pages and doctor read it.

A file, as the database may be away: `DataDirectory.role_status`. A reader never sees half of it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.files.atomic import replace_file
from gateway.telemetry.line_queue import LineQueue

DRAINING = "draining"
"""State of a role that ends once its work in hand is done."""

WAIT_SECONDS = 1.0  # for the disk, once; then it counts as hanging until it is back

SILENT_SECONDS = 12.0  # more than two pulses missed


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """`state`: `starting`, `serving`, `draining`, `dead`, or `hanging` as it is read; `heard_at` in s."""

    state: str
    heard_at: float
    detail: str = ""


class RoleStatusFile:
    """Writes the status of the roles; only the supervisor does.

    Parameters
    ----------
    path
        `DataDirectory.role_status`; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._roles: dict[str, RoleStatus] = {}
        self._noting = threading.Lock()
        self._queue = LineQueue(self._write, lambda _: self._content(), "role status")

    def note(self, name: str, state: str, detail: str = "") -> None:
        """Write the present status of a role; a disk that is full or hangs does not stop the supervisor."""
        with self._noting:
            self._roles[name] = RoleStatus(state, time.time(), detail)
            self._queue.put(self._content(), WAIT_SECONDS)

    def _content(self) -> bytes:
        roles = {name: asdict(each) for name, each in self._roles.items()}
        return json.dumps({"supervisor": os.getpid(), "roles": roles}).encode()

    def _write(self, content: bytes) -> None:
        replace_file(self._path, content)

    def close(self) -> None:
        """Remove the file: no supervisor watches the roles any more."""
        if self._queue.close(WAIT_SECONDS):
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


def read_role_status(path: Path) -> dict[str, RoleStatus]:
    """Return the status of each role by name; empty where no supervisor runs on this machine."""
    try:
        content = json.loads(path.read_text())
        os.kill(content["supervisor"], 0)
        roles = {name: RoleStatus(**each) for name, each in content["roles"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: _as_heard(role) for name, role in roles.items()}


def _as_heard(role: RoleStatus) -> RoleStatus:
    silent = time.time() - role.heard_at
    if role.state != "serving" or silent < SILENT_SECONDS:
        return role
    return RoleStatus("hanging", role.heard_at, f"not heard of for {silent:.0f} s")

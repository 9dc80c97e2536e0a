"""Which roles of this machine's gateway serve: the supervisor writes it down, the health page reads it."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

SILENT_SECONDS = 12.0  # more than two pulses missed
FILE = Path("run") / "roles.json"


@dataclass(frozen=True, slots=True)
class RoleState:
    """`state`: `starting`, `serving`, `dead` or, as it is read, `hanging`; `heard_at` is in Unix seconds."""

    state: str
    heard_at: float
    detail: str = ""


class RoleCall:
    """What the supervisor knows of its roles."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._roles: dict[str, RoleState] = {}
        self._writing = threading.Lock()

    def note(self, name: str, state: str, detail: str = "") -> None:
        """Write down how a role is."""
        with self._writing, suppress(OSError):  # a full disk must not stop the supervisor
            self._roles[name] = RoleState(state, time.time(), detail)
            content = {
                "supervisor": os.getpid(),
                "roles": {name: asdict(each) for name, each in self._roles.items()},
            }
            temporary = self._path.with_suffix(".new")
            temporary.write_text(json.dumps(content))
            temporary.replace(self._path)

    def close(self) -> None:
        """Say that nobody watches any more."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_role_call(data_dir: Path) -> dict[str, RoleState]:
    """Return the roles under a supervisor on this machine, by name; none where there is no supervisor."""
    try:
        content = json.loads((data_dir / FILE).read_text())
        os.kill(content["supervisor"], 0)
        roles = {name: RoleState(**each) for name, each in content["roles"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: _as_heard(role) for name, role in roles.items()}


def _as_heard(role: RoleState) -> RoleState:
    silent = time.time() - role.heard_at
    if role.state != "serving" or silent < SILENT_SECONDS:
        return role
    return RoleState("hanging", role.heard_at, f"not heard of for {silent:.0f} s")

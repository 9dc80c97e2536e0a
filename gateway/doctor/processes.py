"""Checks the roles of the gateway that runs on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.settings import Settings
from gateway.telemetry.role_status import DRAINING, read_role_status


def processes(settings: Settings) -> Iterator[Finding]:
    """Yield the role status of each role, from the supervisor's file."""
    roles = read_role_status(settings.directory.role_status)
    for name, role in sorted(roles.items()):
        if role.state == "starting":
            yield doubtful(f"role {name}", "is starting", "nothing: look again in a minute")
        elif role.state == DRAINING:
            yield doubtful(f"role {name}", "ends once its work in hand is done", "nothing: the gateway stops")
        elif role.state != "serving":
            advice = "here: the log says why; the supervisor starts it again and again by itself"
            yield wrong(f"role {name}", f"is {role.state}: {role.detail}", advice)
    if roles and all(role.state == "serving" for role in roles.values()):
        yield good("roles", f"{', '.join(sorted(roles))}: all serve")

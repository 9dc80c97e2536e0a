"""Number of processes that the settings make of a gateway on this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import SCP, Settings

CORES_PER_RECEIVER = 4
MOST_RECEIVERS = 8


def receiver_count(scp: SCP) -> int:
    """Return the number of receivers: as stated, or by the cores that this process may use."""
    if scp.processes != "auto":
        return int(scp.processes)
    return min(max(1, len(os.sched_getaffinity(0)) // CORES_PER_RECEIVER), MOST_RECEIVERS)


def sandbox_count(settings: Settings) -> int:
    """Return the number of each worker's sandboxes: as stated, or half of the worker's share of the cores."""
    wanted = settings.worker.sandboxes
    if wanted != "auto":
        return int(wanted)
    return max(1, len(os.sched_getaffinity(0)) // (2 * settings.workers))


def role_count(settings: Settings) -> int:
    """Return the number of roles that `gateway serve` runs: receivers, workers and web."""
    return receiver_count(settings.scp) + settings.workers + settings.web.enabled

"""DELIVER: rate of delivery to a PACS after an outage, beside DCMTK's dcmsend.

Both send the same SRs and SCs to a storescp over one association; the rate is that of arrivals.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.dcmtk import dcmsend, free_port, storescp
from benchmarks.end_to_end import PATIENCE_SECONDS, gateway_of_pacs
from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.radiograph import write_radiographs
from tests.support.gateway_process import wait_for

SOON = {"first_retry_seconds": 0.5, "longest_retry_seconds": 0.5}


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Answer images while the PACS is down, then measure the rate of arrivals."""
    folder = root / "delivery"
    pacs, again = folder / "pacs", folder / "again"
    for each in (pacs, again):
        each.mkdir(parents=True)
    port = free_port()
    with gateway_of_pacs(folder, port, delivery=SOON) as gateway:
        sent = gateway.send(*write_radiographs(folder / "sent", effort.answered))
        assert all(file.stored for file in sent)
        wait_for(lambda: len(gateway.events("encoded")) == 2 * effort.answered, PATIENCE_SECONDS)
        with storescp(pacs, port=port):
            wait_for(lambda: len(gateway.events("delivered")) == 2 * effort.answered, PATIENCE_SECONDS)
        gateway.stop()
    with storescp(again) as listener:
        subprocess.run(dcmsend(listener.port, pacs), check=True)
    yardstick = Yardstick("dcmsend", _arrivals_per_second(again))
    return [
        Figure("delivered to storescp after an outage", _arrivals_per_second(pacs), "objects/s", yardstick)
    ]


def _arrivals_per_second(folder: Path) -> float:
    """Return the rate from the first arrival to the last."""
    times = sorted(path.stat().st_mtime for path in folder.iterdir())
    return (len(times) - 1) / (times[-1] - times[0])

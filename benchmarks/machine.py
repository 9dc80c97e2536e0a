"""Describes the machine of the measurements in one line."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.model import BareModel
from benchmarks.stopwatch import shortest_ms
from gateway.worker.revision import SOFTWARE_VERSION


def describe(folder: Path, bare: BareModel) -> str:
    """Return machine, model, engine, fsync time under `folder`, load and date in words."""
    model = bare.identity
    cores = len(os.sched_getaffinity(0))
    now = datetime.now(UTC)
    return (
        f"{cores} cores of {_cpu()}, {bare.device}, fsync {_fsync_ms(folder):.1f} ms, "
        f"load before {os.getloadavg()[0]:.1f}, CXR Gateway {SOFTWARE_VERSION}, "
        f"model {model.name} {model.version}, {now:%Y-%m-%d}"
    )


def _cpu() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else os.uname().machine


def _fsync_ms(folder: Path) -> float:
    with (folder / "fsync").open("wb", buffering=0) as file:

        def write() -> None:
            file.write(time.ctime().encode())
            os.fsync(file.fileno())

        return shortest_ms(write, 20)

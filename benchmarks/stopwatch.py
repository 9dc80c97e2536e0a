"""Measures the time of single calls and the peak memory of a process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path


def shortest_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the shortest duration of `call` in ms; other work on the machine only adds time."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        durations.append(1000 * (time.perf_counter() - start))
    return min(durations)


def peak_mb(pid: int | str = "self") -> float:
    """Return the peak resident memory of a process so far, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found, f"/proc/{pid}/status has no VmHWM"
    return int(found[1]) * 1024 / 1e6

"""Processor time of a running gateway by process, from the operating system's accounting."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

_ROLES = ("serve", "receive", "work", "web")
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_USER_TIME = (
    11  # index after the command of /proc/PID/stat; system time and the ended children's times follow
)


def processor_ms(pid: int) -> Counter[str]:
    """Return the processor time so far of a gateway's processes, in ms by role; sandboxes apart."""
    spent: Counter[str] = Counter()
    for process in _tree(pid):
        try:
            spent[_name(process)] += _ms(process)  # type: ignore[assignment] # a Counter of floats
        except FileNotFoundError:  # ended meanwhile; its parent has its time
            continue
    return spent


def each(before: Mapping[str, float], after: Mapping[str, float], images: int) -> dict[str, float]:
    """Return the processor time between two looks, in ms for each image."""
    return {name: (after[name] - before.get(name, 0)) / images for name in after}


def memory_mb(pid: int) -> float:
    """Return the memory of a gateway's processes in MB; a page that several share counts once (PSS)."""
    return sum(_pss_mb(process) for process in _tree(pid))


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Pss:"))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))


def _name(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    role = next((each for each in command if each in _ROLES), None)
    return role or "sandboxes"


def _ms(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return _TICK_MS * sum(map(int, stat[_USER_TIME : _USER_TIME + 4]))

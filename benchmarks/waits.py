"""What the processes of a running gateway wait for: syncs, the turn to write, copies; what the machine does.

`environment` lets a gateway count (`benchmarks/watched`); `look` reads its counts, `profile` compares two
looks. A process counts every 0.1 s, so that a look waits for that long.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from gateway.store.schema import timings

_SETTLED_SECONDS = 0.3
_SECTOR_MB = 512 / 1e6
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Look:
    """The counts so far.

    Attributes
    ----------
    calls, seconds
        By process and kind of wait, as `receive: fsync of a file`.
    busy_seconds
        Processor time of the whole machine.
    disk_writes, disk_mb, disk_seconds
        Of all disks: requests and MB written, and the time in which they had anything to do.
    """

    at: float
    calls: Counter[str]
    seconds: Counter[str]
    busy_seconds: float
    disk_writes: int
    disk_mb: float
    disk_seconds: float


def environment(folder: Path) -> dict[str, str]:
    """Return what makes the processes of a gateway write their counts into `folder`."""
    folder.mkdir()
    paths = [str(Path(__file__).with_name("watched")), str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "WAITS": str(folder)}


def look(folder: Path) -> Look:
    """Read all counts."""
    time.sleep(_SETTLED_SECONDS)
    calls: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for path in folder.glob("*.json"):
        role = path.name.split("-")[0]
        for kind, (count, spent) in json.loads(path.read_text()).items():
            calls[f"{role}: {kind}"] += count
            seconds[f"{role}: {kind}"] += spent
    return Look(time.time(), calls, seconds, _busy_seconds(), *_disks())


def profile(before: Look, after: Look, images: int, database: Path) -> Iterator[str]:
    """Yield the lines of a profile: for each image what it took, then the stages, then the machine."""
    passed = after.at - before.at
    for name in sorted(after.calls):
        count, spent = after.calls[name] - before.calls[name], after.seconds[name] - before.seconds[name]
        if count:
            yield (
                f"{name}: {count / images:.2f} an image, {1000 * spent / count:.1f} ms each,"
                f" {1000 * spent / images:.1f} ms an image"
            )
    for stage, (runs, mean) in _stages(database, before.at).items():
        yield f"stage {stage}: {runs} times, {1000 * mean:.0f} ms on average"
    yield (
        f"machine: {(after.busy_seconds - before.busy_seconds) / passed:.1f} processors busy;"
        f" disk: {(after.disk_writes - before.disk_writes) / passed:.0f} writes/s,"
        f" {(after.disk_mb - before.disk_mb) / passed:.0f} MB/s,"
        f" busy {(after.disk_seconds - before.disk_seconds) / passed:.0%} of {passed:.1f} s"
    )


def _stages(database: Path, since: float) -> Mapping[str, tuple[int, float]]:
    query = sa.select(timings.c.stage, sa.func.count(), sa.func.avg(timings.c.seconds))
    begun = sa.func.unixepoch(timings.c.time) >= int(since)
    engine = sa.create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        rows = connection.execute(query.where(begun).group_by(timings.c.stage)).all()
    engine.dispose()
    return {row[0]: (row[1], row[2]) for row in rows}


def _busy_seconds() -> float:
    user, nice, system, _, _, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + soft) * _TICK_SECONDS


def _disks() -> tuple[int, float, float]:
    """Return requests and MB written, and busy seconds, of the whole disks (not of their partitions)."""
    writes, mb, busy = 0, 0.0, 0.0
    for disk in Path("/sys/block").iterdir():
        if disk.name.startswith(("loop", "ram", "dm-")):
            continue
        fields = [int(field) for field in (disk / "stat").read_text().split()]
        writes, mb, busy = writes + fields[4], mb + fields[6] * _SECTOR_MB, busy + fields[9] / 1000
    return writes, mb, busy

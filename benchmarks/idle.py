"""IDLE: processor time of a gateway to which nobody sends, and how soon it wakes.

The processor time is the kernel's own account of each process and its children (`/proc/PID/stat`); wake-ups
are the voluntary context switches of all its threads. The yardstick is a process that only sleeps for 50 ms,
again and again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.radiograph import write_radiographs
from gateway.store.doorbell import Doorbells, Work
from tests.support.gateway_process import GatewayProcess, running, wait_for

DESTINATIONS = (1, 50)
SETTLE_SECONDS = 65.0  # in its first minute DBOS looks for schedules once a second
POLLER = "import time\nwhile True: time.sleep(0.05)"
SLEEPER = """
import sys, time
from pathlib import Path
from gateway.store.doorbell import Doorbell, Work
bell = Doorbell(Path(sys.argv[1]), "sleeper", Work.ANSWERS)
print(flush=True)
while bell.wait(60):
    print(time.time(), flush=True)
"""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Account:
    """What one or several processes have used: seconds of a core, and times a thread was woken."""

    seconds: float
    wake_ups: int

    def since(self, earlier: Account) -> Account:
        """Return what was used since then."""
        return Account(self.seconds - earlier.seconds, self.wake_ups - earlier.wake_ups)


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Measure idle gateways, each for `effort.idle_seconds`."""
    figures = [figure for count in DESTINATIONS for figure in _figures(root / f"idle-{count}", count, effort)]
    return [*figures, Figure("ring to the wake of another process", _wake_ms(root, effort.repeats), "ms")]


def _figures(folder: Path, destinations: int, effort: Effort) -> list[Figure]:
    folder.mkdir(parents=True)
    with running(folder, **_settings(folder, destinations)) as gateway:
        for file in write_radiographs(folder / "sent", effort.repeats):
            _answer(gateway, file, destinations)
        time.sleep(SETTLE_SECONDS)
        poller = subprocess.Popen([sys.executable, "-c", POLLER])
        try:
            used, polled = _used([[gateway.process.pid, *gateway.children()], [poller.pid]], effort)
        finally:
            poller.kill()
            poller.wait()
    name = f"{destinations} destination{'s' if destinations > 1 else ''}"
    share, yardstick = 100 / effort.idle_seconds, "a process that does nothing but sleep for 50 ms"
    return [
        Figure(
            f"idle, {name}, all processes",
            share * used.seconds,
            "% of a core",
            Yardstick(yardstick, share * polled.seconds),
        ),
        Figure(
            f"idle, {name}, wake-ups of all threads",
            used.wake_ups / effort.idle_seconds,
            "/s",
            Yardstick(yardstick, polled.wake_ups / effort.idle_seconds),
        ),
    ]


def _settings(folder: Path, destinations: int) -> dict[str, object]:
    names = [f"folder-{number}" for number in range(destinations)]
    return {
        "web": {"enabled": True, "port": 0},
        "destinations": [{"name": name, "kind": "folder", "path": str(folder / name)} for name in names],
        "routes": [{"calling_ae_title": "*", "to": names}],
    }


def _answer(gateway: GatewayProcess, file: Path, destinations: int) -> None:
    """Send one image, and wait until every destination has its results."""
    delivered = len(gateway.events("delivered"))
    (sent,) = gateway.send(file)
    assert sent.stored
    wait_for(lambda: len(gateway.events("delivered")) == delivered + 2 * destinations)


def _wake_ms(folder: Path, repeats: int) -> float:
    """Return the shortest time from a ring to the wake of another process."""
    command = [sys.executable, "-c", SLEEPER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sleeper:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        seconds = []
        for _ in range(repeats):
            rung = time.time()
            Doorbells(folder).ring(Work.ANSWERS)
            seconds.append(float(sleeper.stdout.readline()) - rung)
        sleeper.kill()
    return 1000 * min(seconds)


def _used(groups: Sequence[Sequence[int]], effort: Effort) -> list[Account]:
    """Return what each group of processes uses within the same time."""
    before = [_account(group) for group in groups]
    time.sleep(effort.idle_seconds)
    return [_account(group).since(earlier) for group, earlier in zip(groups, before, strict=True)]


def _account(pids: Sequence[int]) -> Account:
    """Sum up processes, their ended children included."""
    ticks = wake_ups = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            wake_ups += int(status.read_text().split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return Account(ticks / TICKS, wake_ups)

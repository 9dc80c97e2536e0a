"""RESTART: what a start after kill -9 takes to the first answer, beside one that only loads the model.

On a machine with other work the processor time tells more than the time.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.processes import memory_mb, processor_ms
from benchmarks.radiograph import write_radiographs
from tests.support.gateway_process import GatewayProcess, running, wait_for

LEFT = 8  # images acknowledged before the kill
BARE = """
import numpy as np
from gateway.worker.inference import open_predictor
from gateway.configuration.settings_file import load_settings
open_predictor(load_settings()).predict(np.zeros((1, 3, 224, 224), np.float32))
"""


class Start(NamedTuple):
    """Time and processor time of a start to the first answer, and the memory of its processes then."""

    seconds: float
    processor_s: float
    memory_mb: float


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Kill a gateway with pending work, and measure the next start; the least of several counts."""
    gateway = _least([_first_answer(root / f"restart-{number}") for number in range(effort.rounds)])
    bare = _least([_bare() for _ in range(effort.rounds)])
    name, first = "load the model, answer once", "start after kill -9 to the first answer"
    return [
        Figure(first, gateway.seconds, "s", Yardstick(name, bare.seconds)),
        Figure(f"{first}, processor time", gateway.processor_s, "s", Yardstick(name, bare.processor_s)),
        Figure(f"{first}, memory of all processes", gateway.memory_mb, "MB", Yardstick(name, bare.memory_mb)),
    ]


def _least(starts: list[Start]) -> Start:
    return Start(*map(min, zip(*starts, strict=True)))


def _first_answer(folder: Path) -> Start:
    files = write_radiographs(folder / "sent", LEFT)
    with running(folder) as gateway:
        assert all(sent.stored for sent in gateway.send(*files))
        gateway.kill()
        answered = len(gateway.events("encoded"))
        assert answered < LEFT, "nothing was left to answer"
        return _next_answer(gateway, answered)


def _next_answer(gateway: GatewayProcess, answered: int) -> Start:
    start = time.time()
    gateway.start()
    wait_for(lambda: len(gateway.events("encoded")) > answered)
    seconds = time.time() - start
    pid = gateway.process.pid
    return Start(seconds, sum(processor_ms(pid).values()) / 1000, memory_mb(pid))


def _bare() -> Start:
    start, before = time.perf_counter(), _of_children()
    subprocess.run([sys.executable, "-c", BARE], check=True)
    after = _of_children()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Start(time.perf_counter() - start, used, after.ru_maxrss * 1024 / 1e6)


def _of_children() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_CHILDREN)

"""RESTART: time from the start after kill -9 to the first answer, beside one that only loads the model."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.radiograph import write_radiographs
from tests.support.gateway_process import GatewayProcess, running, wait_for

LEFT = 8  # images acknowledged before the kill
BARE = """
import numpy as np
from gateway.worker.pipeline import open_predictor
from gateway.configuration.settings_file import load_settings
open_predictor(load_settings()).predict(np.zeros((1, 3, 224, 224), np.float32))
"""


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Kill a gateway with pending work, and measure the next start; the fastest counts."""
    gateway_s = min(_first_answer_s(root / f"restart-{number}") for number in range(effort.rounds))
    bare_s = min(_bare_s() for _ in range(effort.rounds))
    yardstick = Yardstick("load the model, answer once", bare_s)
    return [Figure("start after kill -9 to the first answer", gateway_s, "s", yardstick)]


def _first_answer_s(folder: Path) -> float:
    files = write_radiographs(folder / "sent", LEFT)
    with running(folder) as gateway:
        assert all(sent.stored for sent in gateway.send(*files))
        gateway.kill()
        answered = len(gateway.events("encoded"))
        assert answered < LEFT, "nothing was left to answer"
        return _seconds_to_next_answer(gateway, answered)


def _seconds_to_next_answer(gateway: GatewayProcess, answered: int) -> float:
    start = time.time()
    gateway.start()
    wait_for(lambda: len(gateway.events("encoded")) > answered)
    return time.time() - start


def _bare_s() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE], check=True)
    return time.perf_counter() - start

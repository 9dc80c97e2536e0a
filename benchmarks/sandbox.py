"""DECODE and PREPROCESS in a sandbox, beside the same work in-process: the price of a sandbox for each image.

The pixels stay in the sandbox; the model's input comes back. Figures are processor time of both processes:
other load on the machine does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.radiograph import write_radiographs
from gateway.dicom.part_10 import read_file
from gateway.imaging.decode import decode
from gateway.imaging.preprocess import preprocess
from gateway.sandbox.heap import keep_freed_memory
from gateway.sandbox.process import Sandbox

WAIT_SECONDS = 600.0


def measure(folder: Path, effort: Effort) -> list[Figure]:
    """Time a radiograph of 2500 × 2048 pixels of 16 bits, from its file to the model's input."""
    (file,) = write_radiographs(folder / "sandbox", 1)
    sandbox = Sandbox("benchmarks", keep_freed_memory)  # as the worker's sandboxes begin
    own, sandboxed = [], []
    try:
        for _ in range(effort.repeats):  # in turn, so that both meet the same machine
            own.append(_processor_ms(lambda: _prepare(file)))
            sandboxed.append(_in_sandbox_ms(sandbox, file))
    finally:
        sandbox.close()
    yardstick = Yardstick("in-process", min(own))
    return [Figure("decode to tensor in a sandbox", min(sandboxed), "ms", yardstick)]


def _prepare(file: Path) -> NDArray[np.float32]:
    return preprocess(decode(read_file(file)).pixels).tensor


def _in_sandbox_ms(sandbox: Sandbox, file: Path) -> float:
    in_child: list[float] = []
    return _processor_ms(lambda: in_child.append(sandbox.ask(WAIT_SECONDS, _timed, file)[1])) + in_child[0]


def _timed(file: Path) -> tuple[NDArray[np.float32], float]:
    begun = time.process_time()
    tensor = _prepare(file)
    return tensor, 1000 * (time.process_time() - begun)


def _processor_ms(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return 1000 * (time.process_time() - begun)

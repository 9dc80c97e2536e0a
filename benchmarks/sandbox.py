"""DECODE in a child process, beside the same work in-process: the price of a sandbox for every image.

The child decodes, writes the grey pixels into shared memory, and returns the model's input as a pickle. The
parent uses the pixels where they lie, or copies them out. Figures are processor time of both processes: other
load on the machine does not count.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.radiograph import write_radiographs
from gateway.dicom.part_10 import read_file
from gateway.imaging.decode import decode
from gateway.imaging.preprocess import preprocess
from gateway.sandbox.process import Sandbox

WAIT_SECONDS = 600.0
SHARED_BYTES = 64 << 20
_shared: list[mmap.mmap] = []  # of the child


def measure(folder: Path, effort: Effort) -> list[Figure]:
    """Time a radiograph of 2500 × 2048 pixels of 16 bits, from its file to the model's input."""
    (file,) = write_radiographs(folder / "sandbox", 1)
    with NamedTemporaryFile(dir="/dev/shm") as shared:
        shared.truncate(SHARED_BYTES)
        return _figures(file, Path(shared.name), effort)


def _figures(file: Path, shared: Path, effort: Effort) -> list[Figure]:
    buffer, sandbox = _mapped(shared), Sandbox("benchmarks", _begin, shared)
    own, in_place, copied = [], [], []
    try:
        for _ in range(effort.repeats):  # in turn, so that all meet the same machine
            own.append(_processor_ms(lambda: _decode(file)))
            in_place.append(_in_sandbox_ms(sandbox, file, buffer, copy=False))
            copied.append(_in_sandbox_ms(sandbox, file, buffer, copy=True))
    finally:
        sandbox.close()
    yardstick = Yardstick("in-process", min(own))
    return [
        Figure("decode to tensor in a sandbox, pixels shared", min(in_place), "ms", yardstick),
        Figure("decode to tensor in a sandbox, pixels copied", min(copied), "ms", yardstick),
    ]


def _decode(file: Path) -> tuple[NDArray[Any], NDArray[np.float32]]:
    grey = decode(read_file(file))
    return grey.pixels, preprocess(grey.pixels)[0]


def _in_sandbox_ms(sandbox: Sandbox, file: Path, buffer: mmap.mmap, *, copy: bool) -> float:
    in_child: list[float] = []

    def ask() -> None:
        shape, _, milliseconds = sandbox.ask(WAIT_SECONDS, _decode_into_shared_memory, file)
        in_child.append(milliseconds)
        pixels = np.frombuffer(buffer, np.uint16, shape[0] * shape[1]).reshape(shape)
        if copy:
            pixels.copy()

    return _processor_ms(ask) + in_child[0]


def _processor_ms(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return 1000 * (time.process_time() - begun)


def _begin(shared: Path) -> None:
    _shared.append(_mapped(shared))


def _decode_into_shared_memory(file: Path) -> tuple[tuple[int, ...], NDArray[np.float32], float]:
    begun = time.process_time()
    pixels, tensor = _decode(file)
    np.frombuffer(_shared[0], np.uint16, pixels.size)[:] = pixels.ravel()
    return pixels.shape, tensor, 1000 * (time.process_time() - begun)


def _mapped(file: Path) -> mmap.mmap:
    with file.open("rb+") as opened:
        return mmap.mmap(opened.fileno(), SHARED_BYTES)

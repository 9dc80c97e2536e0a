"""Forward passes on a GPU as CUDA graphs: recorded once for each batch size, then launched by a single call.

`torch_engine` calls it. Launched one by one, the hundreds of operations of a pass each need the interpreter's
lock, for which the other threads of a worker compete.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gateway.model.engines import Floats

LARGEST = 64
"""Images of the largest recorded batch; larger ones are passed in parts."""

_UNRECORDED = 3  # passes before the recording, in which libraries choose their kernels

Compute = Callable[[Tensor], Sequence[Tensor]]


class _Recorded(NamedTuple):
    """A pass that can be launched again: it reads `images` and leaves its results in `outputs`."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    outputs: Sequence[Tensor]


class RecordedPasses:
    """The passes of one network on one GPU; threads that run it take turns.

    Parameters
    ----------
    compute
        Returns the outputs for n images, each with n as its first dimension, on the GPU.
    layout
        Memory format of the images.
    """

    def __init__(self, compute: Compute, device: torch.device, layout: torch.memory_format) -> None:
        self._compute = compute
        self._device = device
        self._layout = layout
        self._lock = threading.Lock()
        self._recorded: dict[tuple[int, ...], _Recorded] = {}

    def run(self, images: Floats) -> list[Floats]:
        """Return the outputs for n images, float32 (n, channels, rows, columns), in their order."""
        parts = np.split(images, range(LARGEST, len(images), LARGEST))
        with self._lock, torch.inference_mode(), torch.cuda.device(self._device):
            passed = [self._passed(part) for part in parts]
        return [np.concatenate(each) for each in zip(*passed, strict=True)]

    def _passed(self, images: Floats) -> list[Floats]:
        count = len(images)
        recorded = self._of_shape((_padded(count), *images.shape[1:]))
        recorded.images[:count].copy_(torch.from_numpy(images))
        recorded.graph.replay()
        return [output[:count].cpu().numpy() for output in recorded.outputs]

    def _of_shape(self, shape: tuple[int, ...]) -> _Recorded:
        if shape not in self._recorded:
            self._recorded[shape] = self._record(torch.zeros(shape, device=self._device))
        return self._recorded[shape]

    def _record(self, zeros: Tensor) -> _Recorded:
        images = zeros.contiguous(memory_format=self._layout)
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_UNRECORDED):
                self._compute(images)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            outputs = self._compute(images)
        return _Recorded(graph, images, outputs)


def _padded(count: int) -> int:
    """Return the next power of two: few batch sizes are recorded."""
    return 1 << (count - 1).bit_length()

"""MODEL: the bare network on ready tensors, the yardstick of other measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.stopwatch import peak_mb, shortest_ms
from gateway.imaging.preprocess import SIDE
from gateway.model.predictor import Predictor

BATCHES = (1, 4, 32)
PASSES = 4  # of the largest batch; smaller ones are repeated `Effort.repeats` times


@dataclass(frozen=True, slots=True)
class BareModel:
    """Speed and memory of the network alone.

    Attributes
    ----------
    images_per_second
        Rate by batch size.
    peak_mb
        Peak memory, in MB, of a process that only runs the model, up to batches of 4 images.
    """

    images_per_second: dict[int, float]
    peak_mb: float

    def figures(self) -> list[Figure]:
        """Return one line per batch size."""
        single = Yardstick("batch 1", self.images_per_second[1])
        return [
            Figure(f"bare model, batch {size}", rate, "images/s", single if size > 1 else None)
            for size, rate in self.images_per_second.items()
        ]


def measure(predictor: Predictor, effort: Effort) -> BareModel:
    """Measure each batch size; call it first, before other work takes memory in this process."""
    small, middle, large = BATCHES
    _images_per_second(predictor, small, 2)  # the first passes are several times as slow
    rates = {size: _images_per_second(predictor, size, effort.repeats) for size in (small, middle)}
    peak = peak_mb()
    rates[large] = _images_per_second(predictor, large, min(effort.repeats, PASSES))
    return BareModel(rates, peak)


def _images_per_second(predictor: Predictor, size: int, repeats: int) -> float:
    tensors = np.random.default_rng(0).uniform(-1, 1, (size, 3, SIDE, SIDE)).astype(np.float32)
    return 1000 * size / shortest_ms(lambda: predictor.predict(tensors), repeats)

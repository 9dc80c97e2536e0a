"""MODEL: the bare network on ready tensors, by each engine; the yardstick of other measurements.

Each engine runs in a process of its own, in the same run: the engine that answers, and PyTorch.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.stopwatch import peak_mb, shortest_ms
from gateway.imaging.preprocess import SIDE
from gateway.model.predictor import Predictor
from gateway.model.reference import reference_images
from gateway.records import ModelIdentity
from gateway.settings import Settings
from gateway.worker.inference import open_predictor

BATCHES = (1, 4, 32)
PASSES = 4  # of the largest batch; smaller ones are repeated `Effort.repeats` times
TORCH = "PyTorch"


@dataclass(frozen=True, slots=True)
class BareModel:
    """Speed and memory of the network alone, by one engine.

    Attributes
    ----------
    device
        Engine, and the name of the GPU if there is one.
    images_per_second
        Rate by batch size.
    processor_ms
        Processor time of one image in a batch of its own, in ms, all threads.
    lungs_ms
        The part of it that finds the lungs and crops to them; None of a model without a lung network.
    start_seconds
        Time to import, open and prove the model, and to answer once.
    peak_mb
        Peak memory, in MB, of a process that only runs the model, up to batches of 4 images.
    """

    identity: ModelIdentity
    device: str
    images_per_second: dict[int, float]
    processor_ms: float
    lungs_ms: float | None
    start_seconds: float
    peak_mb: float

    @property
    def engine(self) -> str:
        """The name of the engine."""
        return self.identity.engine


class Models(NamedTuple):
    """The engine that answers with the settings, and PyTorch, the yardstick of everything."""

    answering: BareModel
    torch: BareModel

    def figures(self) -> list[Figure]:
        """Return one line per engine and batch size, and each engine's processor time, start and memory."""
        models = [self.answering] if self.answering is self.torch else [self.answering, self.torch]
        return [figure for model in models for figure in _figures(model, self.torch)]


def measure(settings: Settings, effort: Effort) -> Models:
    """Measure each batch size by each engine."""
    answering = _in_own_process(settings, effort)
    if answering.engine.startswith(TORCH):
        return Models(answering, answering)
    by_torch = settings.model.model_copy(update={"engine": "torch"})
    return Models(answering, _in_own_process(settings.model_copy(update={"model": by_torch}), effort))


def sustained(settings: Settings, images: int) -> float:
    """Return the images per second of the engine that answers, over so many chests in batches of 4.

    A process of its own runs it; its start does not count.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_sustained, settings, images).result()


def _sustained(settings: Settings, images: int) -> float:
    predictor = open_predictor(settings)
    batch = reference_images()
    predictor.predict(batch)
    passes = images // len(batch)
    begun = time.perf_counter()
    for _ in range(passes):
        predictor.predict(batch)
    return passes * len(batch) / (time.perf_counter() - begun)


def _figures(bare: BareModel, yardstick: BareModel) -> list[Figure]:
    """Return the figures of an engine; beside another one, each with its ratio."""

    def figure(name: str, unit: str, value: float, beside: float) -> Figure:
        other = None if bare is yardstick else Yardstick(yardstick.engine, beside)
        return Figure(f"{name}, {bare.engine}", value, unit, other)

    return [
        *(
            figure(f"bare model, batch {size}", "images/s", rate, yardstick.images_per_second[size])
            for size, rate in bare.images_per_second.items()
        ),
        figure("processor time of a forward pass", "ms", bare.processor_ms, yardstick.processor_ms),
        *_figure_of_lungs(bare, yardstick),
        figure("start to the first prediction", "s", bare.start_seconds, yardstick.start_seconds),
        figure("peak memory of the bare model", "MB", bare.peak_mb, yardstick.peak_mb),
    ]


def _figure_of_lungs(bare: BareModel, yardstick: BareModel) -> list[Figure]:
    if bare.lungs_ms is None or yardstick.lungs_ms is None:
        return []
    other = None if bare is yardstick else Yardstick(yardstick.engine, yardstick.lungs_ms)
    return [Figure(f"processor time of finding the lungs, {bare.engine}", bare.lungs_ms, "ms", other)]


def _in_own_process(settings: Settings, effort: Effort) -> BareModel:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, settings, effort).result()


def _measure(settings: Settings, effort: Effort) -> BareModel:
    start = time.perf_counter()
    predictor = open_predictor(settings)
    small, middle, large = BATCHES
    _images_per_second(predictor, small, 1)
    started = time.perf_counter() - start
    rates = {size: _images_per_second(predictor, size, effort.repeats) for size in (small, middle)}
    noise, chest = _tensors(1), reference_images()[:1]
    processor = _processor_ms(lambda: predictor.predict(noise), effort.repeats)
    looking = _processor_ms(lambda: predictor.look(chest), effort.repeats)
    lungs = looking if predictor.identity.lungs else None
    peak = peak_mb()
    rates[large] = _images_per_second(predictor, large, min(effort.repeats, PASSES))
    return BareModel(predictor.identity, _device(predictor), rates, processor, lungs, started, peak)


def _device(predictor: Predictor) -> str:
    engine = predictor.identity.engine
    if not predictor.on_gpu:
        return engine
    import torch

    return f"{engine}, {torch.cuda.get_device_name()}"


def _images_per_second(predictor: Predictor, size: int, repeats: int) -> float:
    tensors = _tensors(size)
    return 1000 * size / shortest_ms(lambda: predictor.predict(tensors), repeats)


def _processor_ms(work: Callable[[], object], repeats: int) -> float:
    begun = time.process_time()
    for _ in range(repeats):
        work()
    return 1000 * (time.process_time() - begun) / repeats


def _tensors(size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (size, 3, SIDE, SIDE)).astype(np.float32)

"""The worker's sandboxes: each prepares and encodes one image at a time, beside the network.

The pipeline calls them. An image that ends its sandbox, or does not let it end in time, is poison once it has
done so twice: a sandbox may also be killed from outside. The worker and the other images go on.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError, Retry
from gateway.files.page_cache import leave_page_cache
from gateway.records import ModelIdentity, Prediction, Reason, State
from gateway.sandbox.heap import keep_freed_memory
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Lost, Sandbox
from gateway.settings import Settings
from gateway.store.entries import StoredInstance
from gateway.store.key_file import key_in
from gateway.store.objects import Shelf
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event, open_log
from gateway.worker.encode import open_encoder
from gateway.worker.ends import End, Settled
from gateway.worker.stages import Stages

STAGE_SECONDS = 60.0
"""The longest that the stages before or after the network may take: the largest image takes about five."""

DEATHS = 2
"""Sandboxes that one image may end before it counts as poison."""

Value = TypeVar("Value")


class ImageSandbox:
    """One sandbox and its queue; it implements `ImageStages`.

    Parameters
    ----------
    process
        Begins with `open_stages`.
    """

    def __init__(self, process: Sandbox) -> None:
        self.process = process
        self._queue = ThreadPoolExecutor(1, "sandbox")

    def start(self) -> None:
        """Start the process beside what the caller does next."""
        self._queue.submit(self.process.ask, STAGE_SECONDS, os.getpid)

    def prepare(self, instance: StoredInstance) -> Future[NDArray[np.float32] | Settled]:
        """Queue the stages before the network."""
        return self._queue.submit(self._prepare, instance)

    def encode(self, instance: StoredInstance, predictions: Sequence[Prediction]) -> Future[Settled]:
        """Queue the stages after the network."""
        return self._queue.submit(self._ask, _encode, instance, predictions)

    def close(self) -> None:
        """End the process, even during work; images in the queue, and later ones, get Retry."""
        self.process.close()

    def _prepare(self, instance: StoredInstance) -> NDArray[np.float32] | Settled:
        prepared = self._ask(_prepare, instance)
        return prepared if isinstance(prepared, Settled) else np.repeat(prepared[None], 3, axis=0)

    def _ask(
        self, work: Callable[..., Value], instance: StoredInstance, *arguments: object
    ) -> Value | Settled:
        for _ in range(DEATHS):
            try:
                return self.process.ask(STAGE_SECONDS, work, instance, *arguments)
            except Lost:
                log_event(Event.SANDBOX_ENDED, sop_instance_uid=instance.sop_instance_uid)
            except ConfigurationError as error:
                raise Retry(f"the process for images does not start: {error}") from error
        detail = f"its own process ended {DEATHS} times while this image was worked on"
        return Settled(instance, End(State.FAILED, Reason.POISON, detail))


class ImageSandboxes:
    """The sandboxes of a worker, which take images in turn."""

    def __init__(self, sandboxes: Sequence[ImageSandbox]) -> None:
        self._all = sandboxes
        self._turns = cycle(sandboxes)

    def start(self) -> None:
        """Start all processes beside what the caller does next."""
        for sandbox in self._all:
            sandbox.start()

    def next(self) -> ImageSandbox:
        """Return the sandbox of the next image."""
        return next(self._turns)

    def close(self) -> None:
        """End all processes, even during work."""
        for sandbox in self._all:
            sandbox.close()


_stages: list[Stages] = []  # of the sandbox


def open_stages(settings: Settings, models: Sequence[ModelIdentity], results: Shelf, most_kept: int) -> None:
    """Prepare the process of a sandbox."""
    keep_freed_memory()
    open_log(settings.directory, role="work", rules=settings.log)
    encoder, key = open_encoder(settings, results), key_in(settings.patient_key)
    _stages.append(Stages(settings, models, encoder, most_kept, key))
    limit_memory(settings.select.max_megapixels, images_kept=most_kept)
    gc.freeze()  # what has been imported stays


def _prepare(instance: StoredInstance) -> NDArray[np.float32] | Settled:
    """Return the model's input as one of its three equal channels: the others need not travel."""
    prepared = _stages[0].prepare(instance)
    return _settled(prepared) if isinstance(prepared, Settled) else prepared[0]


def _encode(instance: StoredInstance, predictions: Sequence[Prediction]) -> Settled:
    return _settled(_stages[0].encode(instance, predictions))


def _settled(settled: Settled) -> Settled:
    """Return what became of an image; its file is done with."""
    leave_page_cache(settled.instance.path)
    return settled

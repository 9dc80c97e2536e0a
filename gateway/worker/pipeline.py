"""Batches of images through the sandboxes and the network. The data path of a worker is read here.

The answerer calls `Pipeline.answer`. Sandboxes prepare and encode images while the network runs for others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.errors import Reject, Retry
from gateway.model.predictor import Predictor, Told
from gateway.records import ModelIdentity, Prediction, Stage, State
from gateway.settings import Settings
from gateway.store.entries import StoredInstance
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from gateway.worker.answering import answering_of
from gateway.worker.ends import End, Settled
from gateway.worker.inference import batch_size, infer

Value = TypeVar("Value")


class ImageStages(Protocol):
    """Runs the stages of one image outside of this process; see `Stages`."""

    def prepare(self, instance: StoredInstance) -> Future[NDArray[np.float32] | Settled]:
        """Begin the stages before the network; the end of a poison image is `Settled`."""

    def encode(self, instance: StoredInstance, predictions: Sequence[Prediction]) -> Future[Settled]:
        """Begin the stages after the network of an image that was prepared here."""


class _Ready(NamedTuple):
    """An image whose turn in the network it is, and where its results will be encoded."""

    instance: StoredInstance
    place: ImageStages
    tensor: NDArray[np.float32]


class Pipeline:
    """From stored images to answers whose results are on disk, ready to be recorded.

    Parameters
    ----------
    predictor
        The model whose answer worklist and report show.
    take_place
        Returns where the next image is prepared and encoded.
    beside
        Models that answer, too; each answer has its own results.
    """

    def __init__(
        self,
        settings: Settings,
        predictor: Predictor,
        take_place: Callable[[], ImageStages],
        beside: Sequence[Predictor] = (),
    ) -> None:
        self._settings = settings
        self._predictor = predictor
        self._predictors = (predictor, *beside)
        self._take_place = take_place
        self._network = threading.Lock()  # two passes at once would share the same cores

    @property
    def model(self) -> ModelIdentity:
        """Identity of the first model."""
        return self._predictor.identity

    @property
    def answering(self) -> dict[str, Any]:
        """Everything beside the image on which answers depend: model, threshold, software."""
        return answering_of(self._settings, self.model)

    @property
    def batch_size(self) -> int:
        """Most images in a forward pass."""
        return batch_size(self._settings, self._predictor)

    def warm_up(self) -> None:
        """Spend the first forward pass, which is several times as slow as the others."""
        for predictor in self._predictors:
            predictor.warm_up()

    def check(self) -> None:
        """Raise Retry where a model cannot answer now: images wait, and none is decoded in vain."""
        for predictor in self._predictors:
            predictor.check()

    @property
    def problem(self) -> str | None:
        """Why no image is answered now, in one line; None where images are answered."""
        return next(filter(None, (predictor.problem for predictor in self._predictors)), None)

    def look_after(self) -> None:
        """Renew what is known of the models' servers, where they have any."""
        for predictor in self._predictors:
            predictor.look_after()

    def answer(
        self, instances: Sequence[StoredInstance], note_progress: Callable[[], None] = lambda: None
    ) -> list[Settled]:
        """Return what became of each image; one that goes wrong harms no other.

        Images whose files cannot be read or written now are left out. `note_progress` is called whenever an
        image is through a stage.
        """
        places = [self._take_place() for _ in instances]
        begun = [place.prepare(instance) for place, instance in zip(places, instances, strict=True)]
        prepared = _results(instances, begun, note_progress)
        ready = [
            _Ready(instance, place, tensor)
            for instance, place, tensor in zip(instances, places, prepared, strict=True)
            if isinstance(tensor, np.ndarray)
        ]
        ended = [each for each in prepared if isinstance(each, Settled)]
        return ended + (self._answered(ready, note_progress) if ready else [])

    def _answered(self, ready: Sequence[_Ready], note_progress: Callable[[], None]) -> list[Settled]:
        with self._network:
            started = perf_counter()
            told = self._told([image.tensor for image in ready])
            seconds = perf_counter() - started
        given: list[tuple[_Ready, tuple[Prediction, ...]]] = []
        ended: list[Settled] = []
        for image, each in zip(ready, told, strict=True):
            if isinstance(each, Reject):
                ended.append(Settled(image.instance, End(State.FAILED, each.reason, each.detail)))
            elif isinstance(each, Retry):
                log_event(Event.WAITING, sop_instance_uid=image.instance.sop_instance_uid, reason=str(each))
            else:
                given.append((image, each))
        begun = [image.place.encode(image.instance, predictions) for image, predictions in given]
        encoded = _results([image.instance for image, _ in given], begun, note_progress)
        timed = [replace(each, seconds={**each.seconds, Stage.INFER: seconds}) for each in encoded if each]
        return ended + timed

    def _told(self, tensors: Sequence[NDArray[np.float32]]) -> list[tuple[Prediction, ...] | Reject | Retry]:
        """Return for each image the predictions of all models, or why it has none."""
        by_model = [infer(tensors, predictor) for predictor in self._predictors]
        return [_all_or_none(each) for each in zip(*by_model, strict=True)]


def _all_or_none(told: Sequence[Told]) -> tuple[Prediction, ...] | Reject | Retry:
    without = [each for each in told if not isinstance(each, Prediction)]
    waits = next((each for each in without if isinstance(each, Retry)), None)
    if waits or without:
        return waits or without[0]
    return tuple(each for each in told if isinstance(each, Prediction))


def _results(
    instances: Sequence[StoredInstance], begun: Sequence[Future[Value]], note_progress: Callable[[], None]
) -> list[Value | None]:
    """Wait for a stage of each image; None where its files cannot be read or written now."""
    results: list[Value | None] = []
    for instance, future in zip(instances, begun, strict=True):
        try:
            results.append(future.result())
        except Retry as error:
            log_event(Event.WAITING, sop_instance_uid=instance.sop_instance_uid, reason=str(error))
            results.append(None)
        note_progress()
    return results

"""The stages in order. What happens to an image is read here from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from gateway.deliver.routing import route_of
from gateway.dicom.part_10 import read_file
from gateway.dicom.unreadable import Fault, Unreadable
from gateway.errors import Reject, Retry
from gateway.imaging.decode import decode
from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.imaging.fingerprint import pixel_digest
from gateway.imaging.preprocess import SIDE, over_whole_image, preprocess
from gateway.model.predictor import Predictor
from gateway.records import (
    Description,
    Eligible,
    GreyImage,
    Ineligible,
    ModelIdentity,
    Prediction,
    Reason,
    Stage,
    State,
)
from gateway.results.answer import Answer
from gateway.results.result import AnsweredImage, ResultRules
from gateway.results.source_header import source_header
from gateway.settings import Settings
from gateway.store.entries import AnswerRecord, StoredInstance
from gateway.store.marks import Mark, Marks
from gateway.store.spool import Spool
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.worker.answering import answering_of, configuration_hash
from gateway.worker.describe import describe
from gateway.worker.encode import Encoder, predecessors, record_of, reports_by_model
from gateway.worker.revision import SOFTWARE_VERSION

_NO_PART_10 = "not a DICOM file, as there is no preamble (PS3.10 7.1); dcmconv gives one to a bare data set"
_GONE = "the received file is gone from the spool, whose mark is there: put it back, then `gateway retry`"
LARGEST_BATCH_ON_CPU = 4  # more gains nothing there, and the first of a batch waits for its last


@dataclass(frozen=True, slots=True)
class Prepared:
    """An eligible image, ready for the model: `tensor` and `steps` are those of `ModelInput`."""

    source: Dataset
    grey: GreyImage
    tensor: NDArray[np.float32]
    steps: tuple[str, ...]
    eligible: Eligible


@dataclass(frozen=True, slots=True)
class End:
    """No answer will come."""

    state: State
    reason: Reason
    detail: str


UNCHANGED = End(
    State.INELIGIBLE,
    Reason.PIXELS_UNCHANGED,
    "sent again with another header; the same picture under this UID has its answer",
)


OUT_OF_MEMORY = End(
    State.FAILED,
    Reason.TOO_LARGE,
    "decoding it needs more memory than this process may use (select.max_megapixels)",
)


def prepare(source: Dataset, rules: EligibilityRules) -> Prepared | End:
    """SELECT, DECODE and PREPROCESS one image."""
    try:
        verdict = eligibility(source, rules)
        if isinstance(verdict, Ineligible):
            return End(State.INELIGIBLE, verdict.reason, verdict.detail)
        grey = decode(source, rules.max_megapixels)
        return Prepared(source, grey, *preprocess(grey.pixels), verdict)
    except Reject as error:
        return End(State.FAILED, error.reason, error.detail)
    except MemoryError:
        return OUT_OF_MEMORY


def infer(prepared: Sequence[Prepared], predictor: Predictor) -> list[Prediction]:
    """INFER all images in one forward pass; the activation maps span the whole images."""
    if not prepared:
        return []
    predictions = predictor.predict(np.stack([image.tensor for image in prepared]))
    return [
        replace(prediction, activation=over_whole_image(prediction.activation, image.grey.pixels))
        for image, prediction in zip(prepared, predictions, strict=True)
    ]


def answer_for(image: Prepared, prediction: Prediction, settings: Settings) -> Answer:
    """Return what the results are encoded from."""
    return Answer(
        prediction=prediction,
        pixel_digest=pixel_digest(image.grey),
        configuration=configuration_hash(answering_of(settings, prediction.model)),
        software_version=SOFTWARE_VERSION,
        view=image.eligible.view,
        created_at=datetime.now(UTC).astimezone(),
        steps=image.eligible.notes + image.grey.steps + image.steps,
    )


def result_rules(settings: Settings) -> ResultRules:
    """Return what ENCODE needs to know of the settings."""
    return ResultRules(**settings.results.model_dump())


def eligibility_rules(settings: Settings, *models: ModelIdentity) -> EligibilityRules:
    """Return what SELECT needs to know beyond the standard."""
    own_devices = frozenset(each.device_uid for each in models)
    return EligibilityRules(**settings.select.model_dump(), own_device_uids=own_devices)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one image: the answer of each model, or why there is none; and each stage's time."""

    instance: StoredInstance
    outcome: tuple[AnswerRecord, ...] | End
    description: Description | None = None
    seconds: Mapping[Stage, float] = field(default_factory=dict)


class _Ready(NamedTuple):
    """An image on its way to the model."""

    instance: StoredInstance
    image: Prepared
    description: Description
    decode_seconds: float


class Pipeline:
    """From stored images to answers whose results are on disk, ready to be recorded.

    Parameters
    ----------
    received
        Where the images lie.
    predictor
        The model whose answer worklist and report show.
    encoder
        Builds and keeps the results.
    beside
        Models that answer, too; each answer has its own results.
    """

    def __init__(
        self,
        settings: Settings,
        predictor: Predictor,
        received: Mark,
        encoder: Encoder,
        beside: Sequence[Predictor] = (),
    ) -> None:
        self._settings = settings
        self._predictor = predictor
        self._predictors = (predictor, *beside)
        self._rules = eligibility_rules(settings, *(each.identity for each in self._predictors))
        self._received = received
        self._encoder = encoder

    @property
    def model(self) -> ModelIdentity:
        """Which model answers."""
        return self._predictor.identity

    @property
    def answering(self) -> dict[str, Any]:
        """What answers depend on besides the image."""
        return answering_of(self._settings, self.model)

    @property
    def batch_size(self) -> int:
        """How many images share a forward pass."""
        size = self._settings.model.batch_size
        return size if self._predictor.on_gpu else min(size, LARGEST_BATCH_ON_CPU)

    def warm_up(self) -> None:
        """Spend the first forward pass, which is several times as slow as the others."""
        for predictor in self._predictors:
            predictor.predict(np.zeros((1, 3, SIDE, SIDE), np.float32))

    def answer(self, instances: Sequence[StoredInstance]) -> list[Settled]:
        """Return what became of each image; one that goes wrong harms no other.

        Images whose files cannot be read or written now are left out.
        """
        settled: list[Settled] = []
        ready: list[_Ready] = []
        for instance in instances:
            with _left_out_on_retry(instance):
                prepared = self._prepare(instance)
                if isinstance(prepared, Settled):
                    settled.append(prepared)
                else:
                    ready.append(prepared)
        return settled + (self._infer(ready) if ready else [])

    def _prepare(self, instance: StoredInstance) -> _Ready | Settled:
        description = None
        begun = perf_counter()
        try:
            self._look_for(instance.path)
            source = read_source(instance.path)
            description = describe(source)
            outcome = prepare(source, self._rules)
        except Reject as error:
            outcome = End(State.FAILED, error.reason, error.detail)
        except Retry:
            raise
        except MemoryError:
            outcome = OUT_OF_MEMORY
        except Exception:
            outcome = bug(instance)
        if isinstance(outcome, End):
            return Settled(instance, outcome, description, {Stage.DECODE: perf_counter() - begun})
        return _Ready(instance, outcome, describe(source, outcome.tensor), perf_counter() - begun)

    def _look_for(self, path: Path) -> None:
        """Reject an image whose file is gone from a folder that is there; elsewhere it is for later."""
        try:
            if path.exists():
                return
            self._received.check()
            listed = list(path.parent.iterdir())  # a shared folder's answer to a name may be an old one
        except OSError as error:
            raise Retry(f"{path}: {error.strerror}") from error
        if path not in listed:
            raise Reject(Reason.FILE_MISSING, _GONE)

    def _infer(self, ready: Sequence[_Ready]) -> list[Settled]:
        begun = perf_counter()
        images = [each.image for each in ready]
        by_model = [infer(images, predictor) for predictor in self._predictors]
        infer_seconds = perf_counter() - begun
        settled = []
        for (instance, image, description, decode_seconds), *predictions in zip(
            ready, *by_model, strict=True
        ):
            with _left_out_on_retry(instance):
                begun = perf_counter()
                outcome = self._encode(instance, image, predictions)
                spent = {Stage.DECODE: decode_seconds, Stage.INFER: infer_seconds}
                spent[Stage.ENCODE] = perf_counter() - begun
                settled.append(Settled(instance, outcome, description, spent))
        return settled

    def _encode(
        self, instance: StoredInstance, image: Prepared, predictions: Sequence[Prediction]
    ) -> tuple[AnswerRecord, ...] | End:
        try:
            header = source_header(image.source)
            earlier = reports_by_model(instance, [each.model.name for each in predictions])
            encoded = []
            for prediction, reports in zip(predictions, earlier, strict=True):
                answer = answer_for(image, prediction, self._settings)
                answer = replace(answer, predecessors=predecessors(instance, reports))
                encoded.append((answer, self._encoder.build(AnsweredImage(header, image.grey, answer))))
        except Reject as error:
            return End(State.FAILED, error.reason, error.detail)
        except MemoryError:
            return OUT_OF_MEMORY
        except Exception:
            return bug(instance)
        if _answered_by_other_software(instance, encoded[0][0].pixel_digest):
            return UNCHANGED
        keep = partial(self._encoder.keep, calling_ae_title=instance.calling_ae_title)
        return tuple(record_of(answer, keep(results), header.repairs) for answer, results in encoded)


def _answered_by_other_software(instance: StoredInstance, digest: str) -> bool:
    """Tell whether the same picture under this UID has an answer whose digest is not made as ours are."""
    for earlier in instance.answered:
        if earlier.software_version == SOFTWARE_VERSION:
            continue
        with suppress(Reject):
            if pixel_digest(decode(read_source(earlier.path))) == digest:
                return True
    return False


def open_pipeline(settings: Settings, marks: Marks) -> Pipeline:
    """Open the model and the folder of results.

    Raises
    ------
    ConfigurationError
        If the model cannot be opened.
    """
    results = Spool(marks.results.root, marks.results)
    encoder = Encoder(result_rules(settings), results, route_of(settings))
    return Pipeline(settings, open_predictor(settings), marks.received, encoder)


def open_predictor(settings: Settings) -> Predictor:
    """Open the configured model."""
    model = settings.model
    return Predictor.open(model.path, device=model.device, threads=model.threads, threshold=model.threshold)


def read_source(path: Path) -> Dataset:
    """Read a Part 10 file.

    Raises
    ------
    Reject
        If it is not DICOM.
    Retry
        If the disk does not give it now.
    """
    try:
        return read_file(path)
    except Unreadable as problem:
        detail = f"the data set cannot be read: {problem.reason}"
        raise Reject(
            Reason.UNDECODABLE, _NO_PART_10 if problem.fault is Fault.NO_PREAMBLE else detail
        ) from None
    except OSError as error:
        raise Retry(f"{path}: {error.strerror or error}") from error


@contextmanager
def _left_out_on_retry(instance: StoredInstance) -> Iterator[None]:
    try:
        yield
    except Retry as error:
        log_event(Event.WAITING, sop_instance_uid=instance.sop_instance_uid, reason=str(error))


def bug(instance: StoredInstance) -> End:
    """Log the exception that is being handled; return the end of the image that met it."""
    log_bug(Event.BUG, sop_instance_uid=instance.sop_instance_uid)
    return End(State.FAILED, Reason.INTERNAL_ERROR, "a bug in the gateway: its log has the traceback")

"""The stages of one stored image around the network: those of `image` before it, ENCODE after it.

A worker runs them in its sandboxes. Decoded pixels never leave their process: the network gets the model's
input, and the results are built where the pixels are. No model is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from gateway.deliver.routing import unclear_routes
from gateway.dicom.rejection_note import RejectionNote, rejects
from gateway.errors import Reject, Retry
from gateway.imaging.decode import decode
from gateway.imaging.fingerprint import pixel_digest
from gateway.imaging.own_result import is_own_result
from gateway.imaging.softcopy import softcopy
from gateway.records import (
    Description,
    ModelIdentity,
    Prediction,
    Reason,
    Stage,
    State,
)
from gateway.results.answer import Answer
from gateway.results.result import AnsweredImage, Result
from gateway.results.source_header import SourceHeader, source_header
from gateway.rules.attributes import header_of, of_image
from gateway.settings import Settings
from gateway.store.entries import AnswerRecord, StoredInstance
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug
from gateway.worker.describe import describe
from gateway.worker.encode import Encoder, predecessors, record_of, reports_by_model
from gateway.worker.ends import OUT_OF_MEMORY, UNCHANGED, End, Settled, rejected_by
from gateway.worker.image import Prepared, answer_for, eligibility_rules, prepare
from gateway.worker.patient import patient_changes
from gateway.worker.pseudonym import pseudonym_of
from gateway.worker.revision import SOFTWARE_VERSION
from gateway.worker.source_file import note_in_words, read_note, read_source


class _Ready(NamedTuple):
    """An image on its way to the model and back; `image` is without its source, which is twice as large."""

    image: Prepared
    header: SourceHeader
    softcopy: Dataset
    description: Description
    decode_seconds: float


class Stages:
    """The stages of stored images, one image at a time: those before the network, then those after it.

    Parameters
    ----------
    models
        All models that answer.
    encoder
        Builds and keeps the results.
    most_kept
        Decoded images that wait for their predictions; the oldest beyond it is decoded again.
    patient_key
        Key of the patients' pseudonyms; None: none are made.
    """

    def __init__(
        self,
        settings: Settings,
        models: Sequence[ModelIdentity],
        encoder: Encoder,
        most_kept: int,
        patient_key: bytes | None = None,
    ) -> None:
        self._patient_key = patient_key
        self._settings = settings
        self._rules = eligibility_rules(settings, *models)
        self._encoder = encoder
        self._most_kept = most_kept
        self._kept: dict[int, _Ready] = {}  # by the row of the image

    def prepare(self, instance: StoredInstance) -> NDArray[np.float32] | Settled:
        """Return the model's input, or the end of an image that gets no answer.

        Raises
        ------
        Retry
            If the image's file cannot be read now.
        """
        ready = self._prepare(instance)
        if isinstance(ready, Settled):
            return ready
        self._kept[instance.id] = ready
        if len(self._kept) > self._most_kept:
            del self._kept[next(iter(self._kept))]
        return ready.image.tensor

    def encode(self, instance: StoredInstance, predictions: Sequence[Prediction]) -> Settled:
        """Write the results of an image with one prediction of each model; decode it again if need be.

        Raises
        ------
        Retry
            If the image's files cannot be read or written now.
        """
        ready = self._kept.pop(instance.id, None) or self._prepare(instance)
        if isinstance(ready, Settled):
            return ready
        begun = perf_counter()
        outcome = self._encode(instance, ready, predictions)
        spent = {Stage.DECODE: ready.decode_seconds, Stage.ENCODE: perf_counter() - begun}
        changes = patient_changes(instance)
        return Settled(instance, outcome, ready.description, spent, patient=changes)

    def _prepare(self, instance: StoredInstance) -> _Ready | Settled:
        description = note = None
        begun = perf_counter()
        try:
            source = read_source(instance.path)
            description = self._described(source)
            note, outcome = self._select(instance, source)
            if isinstance(outcome, Prepared):
                header, description = source_header(source), self._described(source, outcome.tensor)
                image = replace(outcome, source=Dataset())
                return _Ready(image, header, self._softcopy(source), description, perf_counter() - begun)
        except Reject as error:
            outcome = End(State.FAILED, error.reason, error.detail)
        except Retry:
            raise
        except MemoryError:
            outcome = OUT_OF_MEMORY
        except Exception:
            outcome = bug(instance)
        return Settled(instance, outcome, description, {Stage.DECODE: perf_counter() - begun}, note)

    def _select(
        self, instance: StoredInstance, source: Dataset
    ) -> tuple[RejectionNote | None, Prepared | End]:
        """Tell a rejection note, and an image that one has rejected, from an image to be prepared."""
        if rejects(source) and not is_own_result(source, self._rules.own_device_uids):
            note = read_note(instance.path)
            return note, End(State.INELIGIBLE, Reason.REJECTION_NOTE, note_in_words(note))
        if instance.rejected is not None:
            return None, rejected_by(instance.rejected)
        return None, prepare(source, self._rules)

    def _described(self, source: Dataset, tensor: NDArray[np.float32] | None = None) -> Description:
        known = pseudonym_of(source, self._patient_key) if self._patient_key else None
        return replace(describe(source, tensor), pseudonym=known)

    def _softcopy(self, source: Dataset) -> Dataset:
        return softcopy(source) if self._settings.results.presentation_state else Dataset()

    def _encode(
        self, instance: StoredInstance, ready: _Ready, predictions: Sequence[Prediction]
    ) -> tuple[AnswerRecord, ...] | End:
        image, header = ready.image, ready.header
        try:
            earlier = reports_by_model(instance, [each.model.name for each in predictions])
            encoded = []
            for prediction, reports in zip(predictions, earlier, strict=True):
                by_scanner = prediction.for_scanner(ready.description.scanner)
                answer = answer_for(image, by_scanner, self._settings)
                answer = replace(answer, predecessors=predecessors(instance, reports))
                encoded.append(
                    (answer, self._encoder.build(AnsweredImage(header, image.grey, answer, ready.softcopy)))
                )
        except Reject as error:
            return End(State.FAILED, error.reason, error.detail)
        except MemoryError:
            return OUT_OF_MEMORY
        except Exception:
            return bug(instance)
        if _answered_by_other_software(instance, encoded[0][0].pixel_digest):
            return UNCHANGED
        return self._write(instance, encoded, header.repairs)

    def _write(
        self, instance: StoredInstance, encoded: Sequence[tuple[Answer, list[Result]]], repairs: Sequence[str]
    ) -> tuple[AnswerRecord, ...]:
        """Write the results of each answer; the routes read the header from the image's file."""
        title = instance.calling_ae_title
        reader = of_image(header_of(instance.path), instance.pulled_from)
        keep = partial(self._encoder.keep, calling_ae_title=title, header=reader)
        first, *others = [record_of(answer, keep(results), repairs) for answer, results in encoded]
        return replace(first, unclear=unclear_routes(self._settings, title, reader)), *others


def _answered_by_other_software(instance: StoredInstance, digest: str) -> bool:
    """Tell whether the same picture under this UID has an answer whose digest is not made as ours are."""
    for earlier in instance.answered:
        if earlier.software_version == SOFTWARE_VERSION:
            continue
        with suppress(Reject):
            if pixel_digest(decode(read_source(earlier.path))) == digest:
                return True
    return False


def bug(instance: StoredInstance) -> End:
    """Log the exception that is being handled; return the end of the image that met it."""
    log_bug(Event.BUG, sop_instance_uid=instance.sop_instance_uid)
    return End(State.FAILED, Reason.INTERNAL_ERROR, "a bug in the gateway: its log has the traceback")

"""One image on its way: SELECT, DECODE and PREPROCESS before the network, its answer after it.

A worker's sandboxes and `gateway predict` call it. Nothing here needs a ledger, a network or a model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from gateway.errors import Reject
from gateway.imaging.decode import decode
from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.imaging.fingerprint import pixel_digest
from gateway.imaging.margins import Pixels
from gateway.imaging.preprocess import inside_box, over_whole_image, preprocess
from gateway.records import (
    Eligible,
    GreyImage,
    Ineligible,
    Lungs,
    ModelIdentity,
    Prediction,
    Region,
    State,
)
from gateway.results.answer import Answer
from gateway.results.region import region_in_words
from gateway.settings import Settings
from gateway.worker.answering import answering_of, configuration_hash
from gateway.worker.ends import OUT_OF_MEMORY, End
from gateway.worker.revision import SOFTWARE_VERSION


@dataclass(frozen=True, slots=True)
class Prepared:
    """An eligible image, ready for the model: `tensor` and `steps` are those of `ModelInput`."""

    source: Dataset
    grey: GreyImage
    tensor: NDArray[np.float32]
    steps: tuple[str, ...]
    eligible: Eligible


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


def answer_for(image: Prepared, prediction: Prediction, settings: Settings) -> Answer:
    """Return what the results are encoded from; its activation map and region are of the whole image."""
    activation = over_whole_image(prediction.activation, image.grey.pixels)
    region = region_of(prediction, image.grey.pixels)
    shown = (region_in_words(region),) if region else ()
    return Answer(
        prediction=replace(prediction, activation=activation, region=region),
        pixel_digest=pixel_digest(image.grey),
        configuration=configuration_hash(answering_of(settings, prediction.model)),
        software_version=SOFTWARE_VERSION,
        view=image.eligible.view,
        created_at=datetime.now(UTC).astimezone(),
        steps=image.eligible.notes + image.grey.steps + image.steps + shown,
    )


def region_of(prediction: Prediction, pixels: Pixels) -> Region | None:
    """Return the part of the whole image that the classifier saw; the model's input has no black margins."""
    region = prediction.region
    return region.within(inside_box(pixels)) if isinstance(region, Lungs) else region


def eligibility_rules(settings: Settings, *models: ModelIdentity) -> EligibilityRules:
    """Return what SELECT needs to know beyond the standard."""
    own_devices = frozenset(each.device_uid for each in models)
    return EligibilityRules(**settings.select.model_dump(), own_device_uids=own_devices)

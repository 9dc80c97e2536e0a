"""The answer as stated by all results, and its wording. Every builder reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from gateway.records import ModelIdentity, Prediction, Presence
from gateway.results.identity import result_uid

RESEARCH_BANNER = "RESEARCH ONLY - NOT FOR DIAGNOSTIC USE"
SERIES_DESCRIPTION = "AI RESEARCH ONLY - NOT FOR DIAGNOSTIC USE"
RESEARCH_SENTENCE = (
    "Research only, not for diagnostic use: this is the unverified output of an image classifier that is "
    "not a medical device. It must not influence the care of the patient."
)
NOT_FITTED = "Not fitted to this site"
"""Stated once by SR, SC and report page of an answer that no site profile took part in."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """An earlier SR on the same image, which the new one replaces."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway's answer to one image; everything that its SR and SC need beyond the image.

    Attributes
    ----------
    prediction
        The model's answer.
    pixel_digest
        Hash of the image's pixels.
    configuration
        Hash of every setting that changes a result's bytes.
    software_version
        Of the gateway.
    view
        Of the image: AP, PA, frontal or unknown.
    created_at
        Aware. Written in the image's own time zone where it names one, else in the zone given here.
    steps
        What was done to the stored pixel values before the model saw them, in words.
    predecessors
        Earlier SRs on the same image by another model or configuration.
    """

    prediction: Prediction
    pixel_digest: str
    configuration: str
    software_version: str
    view: str
    created_at: datetime
    steps: tuple[str, ...] = ()
    predecessors: tuple[Predecessor, ...] = ()

    @property
    def model(self) -> ModelIdentity:
        """Identity of the model that answered."""
        return self.prediction.model

    def result_uid(self, source_sop_instance_uid: str, kind: str) -> str:
        """Return the UID of this answer's result of the given kind."""
        return result_uid(
            source_sop_instance_uid, self.pixel_digest, self.model.device_uid, self.configuration, kind
        )


def score_name(model: ModelIdentity) -> str:
    """Return what the score is: whatever the answer, the probability of the finding."""
    finding, threshold = model.finding, threshold_in_words(model.threshold)
    return f"The model's probability of {finding.in_sentence}; {threshold} or more is answered as present"


def score_in_words(prediction: Prediction) -> str:
    """Return a sentence, without its stop, that says what the score is and why it makes this answer."""
    score = percent(prediction)
    if score is None:
        return "the model gave no answer"
    side = "at or above" if prediction.presence is Presence.PRESENT else "below"
    limit = f"{side} the threshold of {threshold_in_words(prediction.model.threshold)}"
    return f"the model's probability of {prediction.model.finding.in_sentence} is {score:.1f} %, {limit}"


def summary(prediction: Prediction) -> str:
    """Return the answer in one sentence, and for an abstention its reason."""
    finding = prediction.model.finding.meaning
    sentence = f"{finding} {prediction.presence}: {score_in_words(prediction)} (research only)."
    return f"{sentence} {prediction.reason}" if prediction.reason else sentence


def site_in_words(model: ModelIdentity) -> str:
    """Return the site to which the model is fitted, short enough for a line of the Secondary Capture."""
    return f"Fitted to {model.site.name}, {model.site.made}" if model.site else NOT_FITTED


def percent(prediction: Prediction) -> float | None:
    """Return the score in percent with one decimal, or None where the model abstains."""
    p = prediction.score
    return None if p is None else percent_of(p, prediction.model.threshold)


def percent_of(p: float, threshold: float) -> float:
    """Return a probability in percent with one decimal; both arguments are 0 to 1.

    Rounding never carries it over the threshold, so that it cannot contradict the answer. Results, pages and
    commands all show it so: an image has one score.
    """
    nearest = round(100 * p, 1)
    if (nearest >= 100 * threshold) == (p >= threshold):
        return nearest
    return (math.ceil(1000 * p) if p >= threshold else math.floor(1000 * p)) / 10


def threshold_in_words(threshold: float) -> str:
    """Return a threshold, 0 to 1, in percent."""
    return f"{100 * threshold:.4g} %"

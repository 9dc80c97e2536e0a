"""Frozen views of rows, as pages, API and commands read them.

The queries of this package return them. Times are aware, UTC; paths are absolute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.records import Patient, Presence, State, probabilities
from gateway.store.entries import Agreement, DeliveryState


def presence_of(label: str | None, score: float | None, positive: str | None) -> Presence:
    """Return whether the finding is there, by an answer's label."""
    if score is None:
        return Presence.UNDETERMINED
    return Presence.PRESENT if label == positive else Presence.ABSENT


def finds(presence: Presence, verdict: Agreement) -> bool | None:
    """Return whether a reader sees the finding, by the answer and the reader's verdict on it."""
    if verdict is Agreement.UNSURE or presence is Presence.UNDETERMINED:
        return None
    return (presence is Presence.PRESENT) == (verdict is Agreement.AGREE)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file of a received image, and when retention deleted it."""

    path: Path
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelView:
    """The model of an answer; fields are None where an earlier version kept no record.

    `site` is the site to which a profile has fitted the model, None where none has.
    """

    name: str | None
    version: str | None
    weights_sha256: str | None
    threshold: float | None
    calibration: str | None
    abstention: str | None
    device_uid: str | None
    negative: str
    positive: str
    finding: str
    site: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One model's answer to an image; `superseded_at` is None while it stands.

    `score` is the probability of the finding, 0–1; None where the model abstained, as `abstained` explains.
    `region` is the part of the image that the classifier saw, None of a model without a lung network.
    """

    id: int
    model: ModelView
    label: str
    score: float | None
    abstained: str | None
    configuration: str | None
    software_version: str | None
    created_at: datetime
    superseded_at: datetime | None
    steps: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    activation: tuple[tuple[float, ...], ...] = ()
    region: Mapping[str, Any] | None = None

    @property
    def presence(self) -> Presence:
        """Presence of the finding."""
        return presence_of(self.label, self.score, self.model.positive)

    @property
    def probabilities(self) -> dict[str, float] | None:
        """The probabilities of both classes by name, 0–1; None of an abstention."""
        return probabilities(self.model.negative, self.model.positive, self.score)

    @property
    def stands(self) -> bool:
        """True while no other answer has superseded it."""
        return self.superseded_at is None


@dataclass(frozen=True, slots=True)
class ResultView:
    """A result on disk, or deleted; superseded with its answer."""

    answer_id: int
    kind: str
    media_type: str
    name: str
    sop_instance_uid: str | None
    path: Path
    deleted_at: datetime | None
    superseded_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """State of one result at one destination; superseded with its answer."""

    destination: str
    kind: str
    state: DeliveryState
    attempts: int
    last_error: str | None
    state_at: datetime
    superseded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that happened to an image; the keys of `data` depend on the event."""

    time: datetime
    event: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """An image as lists show it; label and score are those of the answer that is shown.

    `begun_at` is when a person last let it begin anew; None where nobody has.
    """

    id: int
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str
    received_at: datetime
    state: State
    state_at: datetime
    reason: str | None
    detail: str | None
    label: str | None
    score: float | None
    study_description: str | None
    scanner: str | None
    negative: str | None
    positive: str | None
    begun_at: datetime | None = None

    @property
    def presence(self) -> Presence:
        """Presence of the finding, by the answer that is shown."""
        return presence_of(self.label, self.score, self.positive)

    @property
    def probabilities(self) -> dict[str, float] | None:
        """The probabilities of both classes by name, 0–1; None without a score."""
        return probabilities(self.negative, self.positive, self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView(ImageRow):
    """An image with everything that is known of it.

    `answer` is the one that is shown, `answers` are all of them, the oldest first. `pulled_from` is the
    source from which the gateway fetched it.
    """

    series_instance_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    source: Path
    source_deleted_at: datetime | None
    pulled_from: str | None = None
    answer: AnswerView | None = None
    answers: tuple[AnswerView, ...] = ()
    results: tuple[ResultView, ...] = ()
    deliveries: tuple[DeliveryView, ...] = ()
    events: tuple[EventView, ...] = ()

    @property
    def others(self) -> tuple[AnswerView, ...]:
        """Answers of other models that stand beside the one that is shown."""
        return tuple(each for each in self.answers if each.stands and each is not self.answer)

    @property
    def shown_results(self) -> tuple[ResultView, ...]:
        """The results of the answer that is shown; of several of one kind the newest."""
        of_answer = [each for each in self.results if self.answer and each.answer_id == self.answer.id]
        return tuple({each.kind: each for each in of_answer}.values())

    def standing(self, kind: str) -> ResultView | None:
        """Return the result of this kind of the answer that is shown, None where there is none."""
        return next((each for each in self.shown_results if each.kind == kind), None)


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """State of an image's standing results at one destination: the least of their states."""

    destination: str
    state: DeliveryState
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistRow(ImageRow):
    """A row of the worklist; `threshold` and `abstained` are of the answer that is shown.

    `folded` are the other images of the study, where the row stands for it. `patient` is None where nothing
    is kept of the patient, or the reader may not see it.
    """

    file_deleted_at: datetime | None
    threshold: float | None
    abstained: str | None
    patient: Patient | None = None
    folded: tuple[WorklistRow, ...] = ()
    others: tuple[AnswerRow, ...] = ()
    deliveries: tuple[DestinationRow, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """Another model's standing answer, in a list."""

    model_name: str | None
    model_version: str | None
    label: str
    score: float | None
    threshold: float | None
    positive: str

    @property
    def presence(self) -> Presence:
        """Presence of the finding."""
        return presence_of(self.label, self.score, self.positive)


@dataclass(frozen=True, slots=True)
class FeedbackView:
    """Feedback of one reader on one answer."""

    reader: str
    verdict: Agreement
    comment: str
    time: datetime
    sop_instance_uid: str
    calling_ae_title: str
    scanner: str | None
    answer_id: int
    label: str
    score: float | None
    threshold: float | None
    model_name: str | None
    model_version: str | None
    positive: str
    finding: str

    @property
    def presence(self) -> Presence:
        """Presence of the finding, by the answer."""
        return presence_of(self.label, self.score, self.positive)

    @property
    def finds(self) -> bool | None:
        """The finding as the reader sees it; None where that does not follow."""
        return finds(self.presence, self.verdict)


@dataclass(frozen=True, slots=True)
class DestinationView:
    """A destination: its results by state, when it last took one, whether it is away or hangs."""

    name: str
    pending: int = 0
    stored: int = 0
    committed: int = 0
    dead: int = 0
    withdrawn: int = 0
    failures: int = 0
    error: str | None = None
    retry_at: datetime | None = None
    hangs_since: datetime | None = None
    last: datetime | None = None

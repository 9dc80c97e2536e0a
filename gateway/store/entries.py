"""Frozen values that workers, couriers and the receiver exchange with the store.

The views for people are in `store.queries.views`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from gateway.records import DICOM, ModelIdentity
from gateway.rules.attributes import HeaderReader

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""A delivery's `not_before` that is past also for a clock that was set back."""


class Arrival(StrEnum):
    """Relation of a received data set to the ledger."""

    NEW = "new"
    RESENT = "resent"  # same UID, same bytes: nothing else happens
    CHANGED = "changed"  # same UID, other bytes: kept beside the first


class DeliveryState(StrEnum):
    """State of one result at one destination."""

    PENDING = "pending"
    STORED = "stored"
    COMMITTED = "committed"  # stored, and the destination has promised to keep it
    DEAD = "dead"  # refused for good, or given up
    WITHDRAWN = "withdrawn"  # not sent, as the image was rejected


class Agreement(StrEnum):
    """Opinion of a reader on an answer."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class EarlierReport:
    """The standing SR of an image that is answered again, and the name of the model that answered."""

    model_name: str | None
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class AnsweredVersion:
    """A data set whose file is still there, and the software that answered it; `path` is absolute."""

    path: Path
    software_version: str | None


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """The names of an image in rows, log lines and audit entries; `id` is its row's."""

    id: int
    sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str


@dataclass(frozen=True, slots=True)
class StoredInstance(ImageIdentity):
    """A received image that waits for its answer; `path` is absolute.

    `attempts` counts how often its batch was begun; `waits_since` is its reception, or when it was retried or
    reprocessed; `was_answered` tells whether it has had an answer.
    `earlier_reports` are of the answer that is replaced;
    `answered` are other data sets under the same UID that have an answer. `rejected` says why a note has
    rejected the image; None where none has. `pulled_from` is the source that it was fetched from.
    """

    path: Path
    batch: str
    attempts: int
    waits_since: datetime
    was_answered: bool = False
    earlier_reports: tuple[EarlierReport, ...] = ()
    answered: tuple[AnsweredVersion, ...] = ()
    rejected: str | None = None
    pulled_from: str | None = None


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result on disk, and the destinations that get it.

    `path` is absolute; its last part is the name, under which the ledger knows the result. Only a DICOM
    result has a SOP class and a SOP instance.
    """

    kind: str
    media_type: str
    path: Path
    sha256: str
    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One model's answer to an image, with its results and where they go.

    Attributes
    ----------
    label
        One of the model's classes, or `Undetermined`.
    score
        Calibrated probability of the finding, 0–1; None where the model abstains, for the reason `abstained`.
    configuration
        Hash of all that the answer depends on besides the image.
    steps, repaired
        What was done to the pixels, in words; attributes of the image that were left empty as malformed.
    activation
        Class activation map in rows, four digits.
    region
        The part of the image that the classifier saw, as JSON; None of a model without a lung network.
    unclear
        Numbers and problems of the routes whose conditions could not be judged for the image.
    """

    model: ModelIdentity
    label: str
    score: float | None
    abstained: str | None
    pixel_digest: str
    configuration: str
    software_version: str
    results: tuple[StoredResult, ...]
    steps: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    activation: tuple[tuple[float, ...], ...] = ()
    region: Mapping[str, Any] | None = None
    unclear: tuple[tuple[int, str], ...] = ()

    @property
    def is_routed(self) -> bool:
        """Tell whether some result has a destination."""
        return any(result.destinations for result in self.results)


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """One result with which one destination is not done yet; `path` is absolute.

    `state` is `pending` while it is to be sent, `stored` while its storage is to be committed. The
    time after which it is given up counts from `begun_at`. `unsure` where an earlier attempt may have
    arrived: its end is unknown. `asked` counts requests for a commitment. `source_path` is the image's file.
    `is_superseded` where a later answer has replaced the one that the result belongs to. SOP class and
    instance are empty where the result is not DICOM.
    """

    id: int
    instance_id: int
    source_sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    path: Path
    begun_at: datetime
    destination: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    last_error: str | None = None
    unsure: bool = False
    asked: int = 0
    media_type: str = DICOM
    source_path: Path = Path()
    is_superseded: bool = False

    @property
    def name(self) -> str:
        """The result's file name, the same at every destination."""
        return self.path.name

    @property
    def image(self) -> ImageIdentity:
        """The image whose result it is."""
        return ImageIdentity(
            self.instance_id, self.source_sop_instance_uid, self.study_instance_uid, self.calling_ae_title
        )


def named(result: StoredResult | PendingDelivery) -> dict[str, Any]:
    """Return how events and log lines name a result: by its SOP Instance UID, or else by its file name."""
    if result.sop_instance_uid:
        return {"result_sop_instance_uid": result.sop_instance_uid}
    return {"result_name": result.path.name}


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study that a source has, as the source tells of it.

    Attributes
    ----------
    study_date
        YYYYMMDD, or empty.
    modalities
        Modalities in Study, sorted; empty where the source does not say.
    instances
        Number of Study Related Instances; None where the source does not say.
    """

    study_instance_uid: str
    study_date: str = ""
    modalities: tuple[str, ...] = ()
    instances: int | None = None


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """An instance that a source has; the SOP class is empty where the source does not say."""

    sop_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str = ""


class PullState(StrEnum):
    """State of a study of a source."""

    FOUND = "found"  # to be looked into
    ASKED = "asked"  # listed by the source, which then sends; or a process ended meanwhile
    COMPLETE = "complete"  # every listed instance has a received row
    PARTIAL = "partial"  # some are missing; it is asked for again later
    GIVEN_UP = "given_up"  # some are missing, after all attempts
    NOT_WANTED = "not_wanted"  # nothing in it is due an answer


@dataclass(frozen=True, slots=True)
class Pull:
    """A study of a source. `detail` says why it is not complete; `attempts` have failed so far."""

    id: int
    source: str
    study_instance_uid: str
    study_date: str
    modalities: tuple[str, ...]
    told: int | None
    state: PullState
    state_at: datetime
    attempts: int
    not_before: datetime
    detail: str | None


@dataclass(frozen=True, slots=True)
class PullView:
    """A study with what was listed of it: how many instances, and those that have no row.

    `found_at` and `listed_at` are when a search first found it, and when its source last listed it.
    """

    pull: Pull
    listed: int
    missing: tuple[str, ...]
    found_at: datetime | None = None
    listed_at: datetime | None = None


class Router(Protocol):
    """Decides where results go."""

    def __call__(
        self, calling_ae_title: str, kind: str, media_type: str, header: HeaderReader = ..., /
    ) -> Sequence[str]:
        """Return the names of the destinations that get such a result of an image of this sender.

        `header` is called where a condition has to be judged; its `NoHeader` passes through.
        """
        ...

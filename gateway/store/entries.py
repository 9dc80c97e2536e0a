"""Frozen views of the ledger's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.records import Label, ResultKind

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""A delivery's `not_before` that is past also for a clock that was set back."""


class Arrival(StrEnum):
    """What a received data set is to the ledger."""

    NEW = "new"
    RESENT = "resent"  # same UID, same bytes: nothing else happens
    CHANGED = "changed"  # same UID, other bytes: kept beside the first


class DeliveryState(StrEnum):
    """Where one result stands at one destination."""

    PENDING = "pending"
    DELIVERED = "delivered"
    COMMITTED = "committed"  # delivered, and the destination has promised to keep it
    DEAD = "dead"  # refused for good, or given up


class Verdict(StrEnum):
    """What a reader says about an answer."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class EarlierReport:
    """The SR of an image that is answered again."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class AnsweredVersion:
    """A data set whose file is still there, and the software that answered it; `path` is absolute."""

    path: Path
    software_version: str | None


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """A received image that waits for its answer; `path` is absolute.

    `attempts` counts how often its batch was begun. `earlier_reports` are of the answer that is replaced;
    `answered` are other data sets under the same UID that have an answer.
    """

    id: int
    sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str
    path: Path
    batch: str
    attempts: int
    earlier_reports: tuple[EarlierReport, ...] = ()
    answered: tuple[AnsweredVersion, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result object on disk; `path` is absolute."""

    kind: ResultKind
    sop_class_uid: str
    sop_instance_uid: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What one transaction records when an image has its answer.

    `record` is kept as JSON: model, configuration, pixel steps, abstention reason, repairs.
    """

    pixel_digest: str
    label: Label
    p_pneumonia: float | None
    record: dict[str, Any]
    results: tuple[StoredResult, ...]
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """One result with which one destination is not done yet; `path` is absolute.

    `state` is `pending` while it is to be sent, `delivered` while its storage is to be committed. The
    time after which it is given up counts from `begun_at`. `unsure` where an earlier attempt may have
    arrived: its end is unknown. `asked` counts requests for a commitment.
    """

    id: int
    instance_id: int
    source_sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str
    kind: ResultKind
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

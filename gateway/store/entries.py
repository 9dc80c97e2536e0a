"""Frozen views of the ledger's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.records import Label, ResultKind


class Arrival(StrEnum):
    """What a received data set is to the ledger."""

    NEW = "new"
    RESENT = "resent"  # same UID, same bytes: nothing else happens
    CHANGED = "changed"  # same UID, other bytes: kept beside the first


class DeliveryState(StrEnum):
    """Where one result stands at one destination."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # refused for good, or given up


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """A received image that waits for its answer; `path` is absolute.

    `attempts` counts how often its batch was begun.
    """

    id: int
    sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str
    path: Path
    batch: str
    attempts: int


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
    """One result that one destination does not have yet; `path` is absolute."""

    id: int
    instance_id: int
    source_sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str
    kind: ResultKind
    sop_class_uid: str
    sop_instance_uid: str
    path: Path
    created_at: datetime

"""How one attempt at one object ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.store.entries import PendingDelivery


class Verdict(StrEnum):
    """What an attempt means for the object."""

    DELIVERED = "delivered"
    LATER = "later"  # this object may be taken another time: no answer, out of resources
    NEVER = "never"  # it will not: unsupported SOP class, data set refused
    AWAY = "away"  # no object's turn: nobody there, association rejected or ended early


@dataclass(frozen=True, slots=True)
class Outcome:
    """One object's outcome; `error` is a sentence for a person."""

    delivery: PendingDelivery
    verdict: Verdict
    error: str | None = None

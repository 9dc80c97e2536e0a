"""Codes of the ledger in words for the pages."""

from __future__ import annotations

from datetime import datetime

from gateway.deliver.routing import Verdict
from gateway.records import Reason, State
from gateway.results.answer import percent_of
from gateway.store.clock import now
from gateway.store.entries import DeliveryState, PullState
from gateway.store.queries.views import ImageRow

STATES = {
    State.RECEIVED: "waits for its answer",
    State.INELIGIBLE: "no answer is due",
    State.INFERRED: "answered, being delivered",
    State.DELIVERED: "answered and delivered",
    State.FAILED: "failed",
}
REASONS = {
    Reason.NOT_RADIOGRAPH: "not a radiograph",
    Reason.SECONDARY_CAPTURE: "a secondary capture",
    Reason.FOR_PROCESSING: "raw, for processing",
    Reason.OWN_RESULT: "the gateway's own result",
    Reason.NOT_CHEST: "not a chest",
    Reason.BODY_PART_UNKNOWN: "body part not stated",
    Reason.LATERAL: "lateral view",
    Reason.OBLIQUE: "oblique view",
    Reason.VIEW_CONFLICT: "contradictory view",
    Reason.QUALITY_CONTROL: "quality control image",
    Reason.MULTI_FRAME: "several frames",
    Reason.COLOUR: "colour image",
    Reason.VETERINARY: "an animal",
    Reason.DERIVED: "bones or energies subtracted",
    Reason.AGE_OUT_OF_RANGE: "age out of range",
    Reason.PIXELS_UNCHANGED: "same picture again",
    Reason.PATIENT_CHANGED: "same picture, another patient",
    Reason.REJECTION_NOTE: "a rejection note",
    Reason.REJECTED: "rejected, answer withdrawn",
    Reason.UNDECODABLE: "cannot be decoded",
    Reason.FILE_MISSING: "received file missing",
    Reason.TOO_LARGE: "too large",
    Reason.NO_PIXELS: "has no pixels",
    Reason.POISON: "ended its process",
    Reason.INTERNAL_ERROR: "a bug in the gateway",
    Reason.NOT_DELIVERED: "could not be delivered",
    Reason.NOT_ROUTED: "no route leads anywhere",
}
VERDICTS = {
    Verdict.TAKEN: "taken",
    Verdict.OTHER_SENDER: "another sender",
    Verdict.DOES_NOT_HOLD: "condition does not hold",
    Verdict.UNCLEAR: "cannot be judged",
    Verdict.NOT_REACHED: "not reached",
}
SEXES = {"M": "male", "F": "female", "O": "other"}
DELIVERIES = {
    DeliveryState.PENDING: "waiting",
    DeliveryState.STORED: "stored",
    DeliveryState.COMMITTED: "committed",
    DeliveryState.DEAD: "given up",
    DeliveryState.WITHDRAWN: "withdrawn",
}
PULLS = {
    PullState.FOUND: "found",
    PullState.ASKED: "being asked for",
    PullState.COMPLETE: "complete",
    PullState.PARTIAL: "partial",
    PullState.GIVEN_UP: "given up",
    PullState.NOT_WANTED: "not wanted",
}


def age(years: float) -> str:
    """Return an age at the study with a unit that fits it."""
    if years >= 2:
        return f"{int(years)} years"
    return f"{int(12 * years)} months" if years >= 1 / 6 else f"{int(365.25 * years)} days"


def date(day: str) -> str:
    """Return a DICOM date as YYYY-MM-DD."""
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def reason_in_words(code: str | None) -> str:
    """Return a reason code as a few words; an unknown one as it stands."""
    return {str(reason): words for reason, words in REASONS.items()}.get(code or "", code or "")


def score(p: float, threshold: float | None) -> str:
    """Return a score in percent, as the results state it; earlier versions kept no threshold of some."""
    return f"{100 * p if threshold is None else percent_of(p, threshold):.1f} %"


def counted(number: int, what: str) -> str:
    """Return a number with its noun, whose plural ends in s."""
    return f"{number:,} {what}{'' if number == 1 else 's'}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(seconds: float | None) -> str:
    """Return a length of time with a unit that fits it."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{1000 * max(0.0, seconds):.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def taken(row: ImageRow) -> str:
    """Return how long an image has taken to where it stands, or has been waiting; nothing if withdrawn.

    The time is of the last course: what was retried, sent again or reprocessed has begun anew.
    """
    if row.reason == Reason.REJECTED:
        return ""
    end = now() if row.state == State.RECEIVED else row.state_at
    return duration((end - (row.begun_at or row.received_at)).total_seconds())


def ago(time: datetime | None) -> str:
    """Return how long ago a time was."""
    return "never" if time is None else f"{duration((now() - time).total_seconds())} ago"

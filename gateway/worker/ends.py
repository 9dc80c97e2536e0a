"""The end of an image: the answers of the models, or the reason for none.

The stages return an end, `outcome` records it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.dicom.rejection_note import RejectionNote
from gateway.records import Description, Reason, Stage, State
from gateway.store.entries import AnswerRecord, StoredInstance


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


def patient_changed(attributes: Sequence[str]) -> End:
    """Return the end of an image that came again with the same picture and another patient."""
    detail = f"the same picture came again with another {', '.join(attributes)}; its results name the former"
    return End(State.INELIGIBLE, Reason.PATIENT_CHANGED, detail)


def rejected_by(why: str) -> End:
    """Return the end of an image that a rejection note names."""
    return End(State.INELIGIBLE, Reason.REJECTED, why)


OUT_OF_MEMORY = End(
    State.FAILED,
    Reason.TOO_LARGE,
    "decoding it needs more memory than this process may use (select.max_megapixels)",
)


@dataclass(frozen=True, slots=True)
class Settled:
    """Outcome of one image: the answer of each model or the reason for none, and the time of each stage.

    `note` is what a rejection note says; `patient` are the attributes of the patient that differ from those
    of the answered data set under the same UID.
    """

    instance: StoredInstance
    outcome: tuple[AnswerRecord, ...] | End
    description: Description | None = None
    seconds: Mapping[Stage, float] = field(default_factory=dict)
    note: RejectionNote | None = None
    patient: tuple[str, ...] = ()

"""Storage Commitment reports (PS3.4 J.3.3), which a PACS sends on our association or on one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydicom.dataset import Dataset

from gateway.errors import Retry
from gateway.peer_text import clean
from gateway.store.commitments import Commitments
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

# N-EVENT-REPORT statuses (PS3.7 10.1.1.1.8)
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_EVENT_TYPE = 0x0113
INVALID_ARGUMENT_VALUE = 0x0115

REQUEST_SUCCESSFUL, FAILURES_EXIST = 1, 2  # Event Type IDs

REASONS = {  # Failure Reason (PS3.3 C.14.1.1)
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class/instance conflict",
    0x0122: "SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}


class Report(Protocol):
    """An N-EVENT-REPORT request."""

    @property
    def event_type(self) -> int | None:
        """Event Type ID."""

    @property
    def event_information(self) -> Dataset:
        """The report itself; reading may fail."""


def answer_report(event: Report, commitments: Commitments) -> tuple[int, None]:
    """Answer an N-EVENT-REPORT: success only once the ledger has it."""
    if event.event_type not in (REQUEST_SUCCESSFUL, FAILURES_EXIST):
        return NO_SUCH_EVENT_TYPE, None
    try:
        report = event.event_information
        transaction_uid = _bare(report.TransactionUID)
        committed, failed = (
            _instances(report, "ReferencedSOPSequence"),
            _instances(report, "FailedSOPSequence"),
        )
        kept = {_bare(item.ReferencedSOPInstanceUID) for item in committed}
        lost = {_bare(item.ReferencedSOPInstanceUID): _reason(item) for item in failed}
    except Exception as error:
        log_event(Event.COMMITMENT_REFUSED, reason=f"the report cannot be read: {clean(error)}")
        return INVALID_ARGUMENT_VALUE, None
    try:
        recorded = commitments.record_report(transaction_uid, kept, lost)
    except Retry as error:
        log_event(Event.WAITING, reason=str(error))
        return PROCESSING_FAILURE, None
    told = ""
    if not recorded.is_known:
        told = "its Transaction UID is not that of the last request for any result"
    elif recorded.strange:
        told = f"it names {recorded.strange} objects that the request did not: does the PACS change UIDs?"
    if told:
        numbers = {"committed": len(kept), "failed": len(lost)}
        log_event(Event.COMMITMENT_UNMATCHED, transaction_uid=transaction_uid, reason=told, **numbers)
    return SUCCESS, None


def _bare(uid: object) -> str:
    return clean(str(uid).strip("\0 "), 64)


def _instances(report: Dataset, keyword: str) -> Sequence[Dataset]:
    return report.get(keyword) or ()


def _reason(item: Dataset) -> str:
    reason = item.get("FailureReason")
    return "no reason given" if reason is None else f"{REASONS.get(reason, 'reason')} (0x{reason:04X})"

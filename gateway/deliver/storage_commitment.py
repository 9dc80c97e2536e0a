"""Asks a PACS to keep what it was sent (Storage Commitment Push Model, PS3.4 Annex J)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from gateway.deliver.commitment_report import answer_report
from gateway.dicom.statuses import Status
from gateway.errors import Retry
from gateway.requestor.message import (
    ACTION_TYPE_ID,
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    ERROR_COMMENT,
    EVENT_TYPE_ID,
    N_ACTION,
    REQUESTED_SOP_CLASS_UID,
    REQUESTED_SOP_INSTANCE_UID,
    STATUS,
    Message,
)
from gateway.requestor.part_10 import Content, DataSet
from gateway.requestor.storage_scu import DicomNode, associate, context_for
from gateway.store.commitments import Commitments
from gateway.store.entries import PendingDelivery

REQUEST_STORAGE_COMMITMENT = 1  # Action Type ID
STAY_SECONDS = 1.0  # for a node that reports on the same association; the others call back


def request_commitment(
    node: DicomNode,
    stored: Sequence[PendingDelivery],
    transaction_uid: str,
    commitments: Commitments,
    stopping: threading.Event | None = None,
) -> None:
    """Send one N-ACTION for all objects. The answer comes at once, or on an association of the node's own.

    Raises
    ------
    Retry
        If the node is away or does not take the request now.
    Unsupported
        If it offers no Storage Commitment.
    """
    reported = threading.Event()

    def report(message: Message) -> dict[int, int | str]:
        reported.set()
        return _answer(message, transfer_syntax_uid, commitments)

    content = Content(StorageCommitmentPushModel, ExplicitVRLittleEndian)
    with associate(node, [content], report, stopping) as assoc:
        context_id, transfer_syntax_uid = context_for(assoc, content)
        request = {
            COMMAND_FIELD: N_ACTION,
            REQUESTED_SOP_CLASS_UID: StorageCommitmentPushModel,
            REQUESTED_SOP_INSTANCE_UID: StorageCommitmentPushModelInstance,
            ACTION_TYPE_ID: REQUEST_STORAGE_COMMITMENT,
        }
        information = _encoded(_request(stored, transaction_uid), transfer_syntax_uid)
        response = assoc.operate(context_id, request, information)
        status = response.number(STATUS)
        if status != Status.SUCCESS:
            told = f"was answered 0x{status:04X} {response.text(ERROR_COMMENT)}".rstrip()
            raise Retry(f"{node}: the request for storage commitment {told}")
        if not reported.is_set():
            assoc.wait_for_report(STAY_SECONDS)


@dataclass(frozen=True, slots=True)
class _Report:
    """An N-EVENT-REPORT, as those that come to the listener look."""

    message: Message
    transfer_syntax_uid: str

    @property
    def event_type(self) -> int | None:
        return self.message.command.number(EVENT_TYPE_ID)

    @property
    def event_information(self) -> Dataset:
        is_implicit = self.transfer_syntax_uid == ImplicitVRLittleEndian
        return decode(BytesIO(self.message.data_set), is_implicit, True)


def _answer(message: Message, transfer_syntax_uid: str, commitments: Commitments) -> dict[int, int | str]:
    status, _ = answer_report(_Report(message, transfer_syntax_uid), commitments)
    return {
        AFFECTED_SOP_CLASS_UID: StorageCommitmentPushModel,
        AFFECTED_SOP_INSTANCE_UID: StorageCommitmentPushModelInstance,
        EVENT_TYPE_ID: message.command.number(EVENT_TYPE_ID) or 0,
        STATUS: status,
    }


def _encoded(information: Dataset, transfer_syntax_uid: str) -> DataSet:
    encoded = encode(information, transfer_syntax_uid == ImplicitVRLittleEndian, True) or b""
    return DataSet(BytesIO(encoded), len(encoded))


def _request(stored: Sequence[PendingDelivery], transaction_uid: str) -> Dataset:
    """Return the Action Information (PS3.4 Table J.3-1)."""
    request = Dataset()
    request.TransactionUID = transaction_uid
    request.ReferencedSOPSequence = [_reference(delivery) for delivery in stored]
    return request


def _reference(delivery: PendingDelivery) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = delivery.sop_class_uid
    item.ReferencedSOPInstanceUID = delivery.sop_instance_uid
    return item

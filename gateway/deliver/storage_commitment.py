"""Asks a PACS to keep what it was sent (Storage Commitment Push Model, PS3.4 Annex J)."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from gateway.commitment import answer_report
from gateway.deliver.storage_scu import Content, associate, node_of
from gateway.errors import Retry
from gateway.settings import DicomDestination
from gateway.store.commitments import Commitments
from gateway.store.entries import PendingDelivery

REQUEST_STORAGE_COMMITMENT = 1  # Action Type ID
STAY_SECONDS = 1.0  # for a node that reports on the same association; the others call back


def request_commitment(
    destination: DicomDestination,
    stored: Sequence[PendingDelivery],
    transaction_uid: str,
    calling_ae_title: str,
    commitments: Commitments,
) -> None:
    """Send one N-ACTION for all objects. The answer comes at once, or on an association of the node's own.

    Raises
    ------
    Retry
        If the node is away or does not take the request now.
    Unsupported
        If it offers no Storage Commitment.
    """
    node = node_of(destination, calling_ae_title)
    reported = threading.Event()

    def answer(event: Event) -> tuple[int, None]:
        status = answer_report(event, commitments)
        reported.set()
        return status

    content = Content(StorageCommitmentPushModel, ExplicitVRLittleEndian)
    with associate(node, [content], [(evt.EVT_N_EVENT_REPORT, answer)]) as assoc:
        status, _ = assoc.send_n_action(
            _request(stored, transaction_uid),
            REQUEST_STORAGE_COMMITMENT,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
        if "Status" not in status:
            raise Retry(f"{node}: no answer to the request for storage commitment")
        if status.Status != 0x0000:
            raise Retry(f"{node}: the request for storage commitment was answered 0x{status.Status:04X}")
        reported.wait(STAY_SECONDS)


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

"""Storage (PS3.4 Annex B): the bytes are on disk and the row is committed before the sender hears 0x0000."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import cast

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import create_file_meta, encode_file_meta
from pynetdicom.events import Event as PynetdicomEvent

from gateway.dicom.statuses import Refuse, Status
from gateway.errors import Retry
from gateway.receive.association import who
from gateway.receive.capacity import Capacity
from gateway.receive.data_set import Header, read_header
from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Received
from gateway.store.ledger import Ledger
from gateway.store.spool import Spool
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.message import Subject
from gateway.telemetry.audit.subject import subject_of_data_set
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event

_PREAMBLE = bytes(128) + b"DICM"  # PS3.10 7.1


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """One C-STORE request: its command, its presentation context, its data set as it came, its sender."""

    sop_class_uid: str
    sop_instance_uid: str
    abstract_syntax: str
    transfer_syntax_uid: str
    data: memoryview
    sender: dict[str, str]

    @classmethod
    def of(cls, event: PynetdicomEvent) -> StoreRequest:
        """Take what is needed out of pynetdicom's event, without a copy."""
        command = cast(C_STORE, event.request)
        return cls(
            str(command.AffectedSOPClassUID),
            str(command.AffectedSOPInstanceUID),
            str(event.context.abstract_syntax),
            str(event.context.transfer_syntax),
            cast(BytesIO, command.DataSet).getbuffer(),
            who(event.assoc),
        )


class CStore:
    """Answers C-STORE requests.

    The encoded bytes are kept as they came; nothing is decoded here.
    """

    def __init__(self, capacity: Capacity, spool: Spool, ledger: Ledger) -> None:
        self._capacity = capacity
        self._spool = spool
        self._ledger = ledger

    def answer(self, event: PynetdicomEvent) -> Dataset:
        """Return the status of one request; whatever goes wrong, the association lives on."""
        request = StoreRequest.of(event)
        about = {"sop_instance_uid": request.sop_instance_uid, **request.sender}
        try:
            self.receive(request)
        except Refuse as refusal:
            log_event(Event.REFUSED, status=str(refusal.status), reason=refusal.reason, **about)
            audit_refused(request, refusal.reason)
            return _response(refusal.status, refusal.error_comment)
        except Exception:
            log_bug(Event.REFUSED, status=str(Status.INTERNAL), reason="a bug", **about)
            audit_refused(request, "a bug in the gateway")
            return _response(Status.INTERNAL, "internal error of the gateway")
        return _response(Status.SUCCESS)

    def receive(self, request: StoreRequest) -> None:
        """Keep one image, by whichever protocol it came; when this returns it may be acknowledged.

        Raises
        ------
        Refuse
            With the status that the sender is to be told; nothing is promised then.
        """
        begun = perf_counter()
        try:
            self._capacity.check()
            header = _checked_header(request)
            received = self._keep(request, header)
            audit = partial(
                trail.received,
                subject_of_data_set(header.dataset),
                calling_ae_title=received.calling_ae_title,
                peer_address=received.peer_address,
            )
            self._ledger.record_received(received, perf_counter() - begun, audit)
        except Retry as retry:
            raise Refuse(Status.OUT_OF_RESOURCES, str(retry)) from retry

    def _keep(self, request: StoreRequest, header: Header) -> Received:
        sha256 = hashlib.sha256(request.data).hexdigest()
        return Received(
            sop_class_uid=header.sop_class_uid,
            sop_instance_uid=header.sop_instance_uid,
            study_instance_uid=header.study_instance_uid,
            series_instance_uid=header.series_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            sha256=sha256,
            size_bytes=len(request.data),
            path=self._write(f"{sha256}.dcm", request),
            received_at=datetime.now(UTC),
            **request.sender,
        )

    def _write(self, name: str, request: StoreRequest) -> Path:
        try:
            return self._spool.keep(name, [_part_10_head(request), request.data])
        except OSError as error:
            reason = f"the spool cannot be written: {error.strerror}"
            raise Refuse(Status.OUT_OF_RESOURCES, reason) from error


def audit_refused(request: StoreRequest, reason: str) -> None:
    """Tell the audit trail. The data set may be why it is refused: only the command is believed."""
    trail.refused(
        Subject("", request.sop_class_uid, (request.sop_instance_uid,)),
        calling_ae_title=request.sender["calling_ae_title"],
        peer_address=request.sender["peer_address"],
        reason=reason,
    )


def _checked_header(request: StoreRequest) -> Header:
    """Read the data set; compare it with command and presentation context (PS3.4 B.2.3, PS3.7 9.1.1.1.9)."""
    header = read_header(request.data, request.transfer_syntax_uid)
    if not header.sop_class_uid == request.sop_class_uid == request.abstract_syntax:
        reason = "SOP Class differs between data set, command and context"
        raise Refuse(Status.SOP_CLASS_MISMATCH, reason)
    if header.sop_instance_uid != request.sop_instance_uid:
        raise Refuse(Status.INVALID_SOP_INSTANCE, "SOP Instance UID differs from the command's")
    return header


def _part_10_head(request: StoreRequest) -> bytes:
    """Return preamble and file meta information (PS3.10 7.1)."""
    meta = create_file_meta(
        sop_class_uid=UID(request.sop_class_uid),
        sop_instance_uid=UID(request.sop_instance_uid),
        transfer_syntax=UID(request.transfer_syntax_uid),
        implementation_uid=UID(IMPLEMENTATION_CLASS_UID),
        implementation_version=IMPLEMENTATION_VERSION_NAME,
    )
    meta.SourceApplicationEntityTitle = request.sender["calling_ae_title"]
    return _PREAMBLE + encode_file_meta(meta)


def _response(status: Status, error_comment: str | None = None) -> Dataset:
    response = Dataset()
    response.Status = int(status)
    if error_comment is not None:
        response.ErrorComment = error_comment
    return response

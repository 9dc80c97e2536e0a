"""Storage (PS3.4 Annex B): the adapter between C-STORE and `Intake`.

`acceptor` hands over each fragment of a data set, `StorageSCP` each whole request. Status 0x0000 is sent only
after `Intake.keep` has returned.

Private name of pynetdicom used here: `Association._accepted_cx`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from threading import Lock
from typing import cast

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from gateway.dicom.statuses import Refuse, Status
from gateway.files.draft import Buffer, Draft
from gateway.receive.association import peer_fields
from gateway.receive.command import check_command
from gateway.receive.data_set import Header, Identity
from gateway.receive.disk_waits import DiskWaits
from gateway.receive.incoming import Drafted, Sender
from gateway.receive.intake import Intake, errors_refuse_for_now

GATHERED_BYTES = 512 * 1024
"""Bytes that are hashed and written in one go: each call gives up the interpreter's lock and waits for it
again, and a call for each PDU would be four times as many."""


class ArrivingDataSet(BytesIO):
    """The data set of a C-STORE request on its way into a draft; pynetdicom takes a `BytesIO` alone.

    A refusal to begin or to go on is kept for the response. The rest of the data set is then discarded, since
    the sender must be read to its end before it reads a response.

    Parameters
    ----------
    begin
        Begins the draft, when the first bytes have come.
    waiting
        Returns a context for the time in which the disk is awaited.

    Attributes
    ----------
    has_ended
        True once the data set is kept or discarded.
    """

    def __init__(
        self,
        begin: Callable[[], Draft],
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        super().__init__()
        self._begin = begin
        self._waiting = waiting
        self._draft: Draft | None = None
        self._refusal: Refuse | None = None
        self._size = 0
        self._gathered = memoryview(b"")  # the last bytes, which are not in the draft yet
        self._count = 0
        self._lock = Lock()  # the association's end discards while its connection still writes
        self.has_ended = False

    def write(self, fragment: Buffer) -> int:  # type: ignore[override]
        """Append the next fragment."""
        self._size += len(fragment)
        with self._lock:
            if self._refusal is None and not self.has_ended:
                if self._draft is None or self._count + len(fragment) > GATHERED_BYTES:
                    self._make_room(fragment)
                else:
                    self._gather(fragment)
        return len(fragment)

    def _gather(self, fragment: Buffer) -> None:
        end = self._count + len(fragment)
        self._gathered[self._count : end] = fragment
        self._count = end

    def _make_room(self, fragment: Buffer) -> None:
        """Write the gathered bytes into the draft, which the first fragment begins; take the fragment."""
        try:
            with self._waiting(), errors_refuse_for_now():
                if self._draft is None:
                    self._draft = self._begin()
                    self._gathered = memoryview(bytearray(GATHERED_BYTES))
                self._append(self._draft)
                if len(fragment) > GATHERED_BYTES:
                    self._draft.write(fragment)
                    return
                self._gather(fragment)
        except Refuse as refusal:
            self._refusal = refusal

    def _append(self, draft: Draft) -> None:
        count, self._count = self._count, 0
        draft.write(self._gathered[:count])

    def tell(self) -> int:
        """Return the number of bytes that have come."""
        return self._size

    def draft(self) -> Draft:
        """Return the draft with the whole data set; `Refuse` where there is none."""
        if self._refusal is not None:
            raise self._refusal
        if self._draft is None:
            raise Refuse(Status.EMPTY, "the data set is empty")
        with errors_refuse_for_now():
            self._append(self._draft)
        return self._draft

    def discard(self) -> None:
        """Delete the draft where it was not kept; what still comes is dropped."""
        with self._lock:
            self.has_ended = True
            self._gathered, self._count = memoryview(b""), 0
            if self._draft is not None:
                self._draft.discard()


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """One C-STORE request: an `Incoming`.

    Attributes
    ----------
    sender
        The peer of the association.
    claimed
        Affected SOP Class UID and Affected SOP Instance UID of the command.
    abstract_syntax, transfer_syntax_uid
        Of the presentation context.
    data_set
        The data set as it came.
    """

    sender: Sender
    claimed: Identity
    abstract_syntax: str
    transfer_syntax_uid: str
    data_set: ArrivingDataSet

    @classmethod
    def of(cls, event: Event) -> StoreRequest:
        """Take a request out of pynetdicom's event."""
        command = cast(C_STORE, event.request)
        return cls(
            Sender(**peer_fields(event.assoc)),
            Identity(str(command.AffectedSOPClassUID), str(command.AffectedSOPInstanceUID)),
            str(event.context.abstract_syntax),
            str(event.context.transfer_syntax),
            cast(ArrivingDataSet, command.DataSet),
        )

    def encoded(self) -> Drafted:
        """Return the data set; `Refuse` where it could not be written."""
        return Drafted(self.transfer_syntax_uid, self.data_set.draft())

    def check(self, header: Header) -> None:
        """Compare the data set with command and presentation context (PS3.4 B.2.3, PS3.7 9.1.1.1.9)."""
        if not header.sop_class_uid == self.claimed.sop_class_uid == self.abstract_syntax:
            reason = "SOP Class differs between data set, command and context"
            raise Refuse(Status.SOP_CLASS_MISMATCH, reason)
        if header.sop_instance_uid != self.claimed.sop_instance_uid:
            raise Refuse(Status.INVALID_SOP_INSTANCE, "SOP Instance UID differs from the command's")


class CStore:
    """Answers C-STORE requests."""

    def __init__(self, intake: Intake, disk_waits: DiskWaits) -> None:
        self._intake = intake
        self._disk_waits = disk_waits

    def begin(self, assoc: Association, message: C_STORE_RQ) -> ArrivingDataSet:
        """Return where the data set of a request goes; its command set has been read."""
        waiting = partial(self._disk_waits.waiting, assoc)
        return ArrivingDataSet(partial(self._begin, assoc, message), waiting)

    def _begin(self, assoc: Association, message: C_STORE_RQ) -> Draft:
        context = assoc._accepted_cx[cast(int, message.context_id)]
        identity = check_command(message, str(context.abstract_syntax))
        return self._intake.begin(Sender(**peer_fields(assoc)), identity, str(context.transfer_syntax[0]))

    def answer(self, event: Event) -> Dataset:
        """Return the response to one request; a refusal or a bug leaves the association open."""
        request = StoreRequest.of(event)
        try:
            with self._disk_waits.waiting(event.assoc):
                self._intake.keep(request)
        except Refuse as refusal:
            return _response(refusal.status, refusal.error_comment)
        finally:
            request.data_set.discard()
        return _response(Status.SUCCESS)


def _response(status: Status, error_comment: str | None = None) -> Dataset:
    response = Dataset()
    response.Status = int(status)
    if error_comment is not None:
        response.ErrorComment = error_comment
    return response

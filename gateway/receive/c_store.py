"""Storage (PS3.4 Annex B): the adapter between C-STORE and `Intake`.

Called by `StorageSCP` for each C-STORE request. Status 0x0000 is sent only after `Intake.keep` has returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import cast

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from gateway.dicom.statuses import Refuse, Status
from gateway.receive.association import peer_fields
from gateway.receive.data_set import Header, Identity
from gateway.receive.incoming import Encoded, Sender
from gateway.receive.intake import Intake


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
    data
        The data set as it came.
    """

    sender: Sender
    claimed: Identity
    abstract_syntax: str
    transfer_syntax_uid: str
    data: memoryview

    @classmethod
    def of(cls, event: Event) -> StoreRequest:
        """Take a request out of pynetdicom's event, without a copy of the data set."""
        command = cast(C_STORE, event.request)
        return cls(
            Sender(**peer_fields(event.assoc)),
            Identity(str(command.AffectedSOPClassUID), str(command.AffectedSOPInstanceUID)),
            str(event.context.abstract_syntax),
            str(event.context.transfer_syntax),
            cast(BytesIO, command.DataSet).getbuffer(),
        )

    def encoded(self) -> Encoded:
        """Return the data set."""
        return Encoded(self.transfer_syntax_uid, self.data)

    def check(self, header: Header) -> None:
        """Compare the data set with command and presentation context (PS3.4 B.2.3, PS3.7 9.1.1.1.9)."""
        if not header.sop_class_uid == self.claimed.sop_class_uid == self.abstract_syntax:
            reason = "SOP Class differs between data set, command and context"
            raise Refuse(Status.SOP_CLASS_MISMATCH, reason)
        if header.sop_instance_uid != self.claimed.sop_instance_uid:
            raise Refuse(Status.INVALID_SOP_INSTANCE, "SOP Instance UID differs from the command's")


class CStore:
    """Answers C-STORE requests."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def answer(self, event: Event) -> Dataset:
        """Return the response to one request; a refusal or a bug leaves the association open."""
        try:
            self._intake.keep(StoreRequest.of(event))
        except Refuse as refusal:
            return _response(refusal.status, refusal.error_comment)
        return _response(Status.SUCCESS)


def _response(status: Status, error_comment: str | None = None) -> Dataset:
    response = Dataset()
    response.Status = int(status)
    if error_comment is not None:
        response.ErrorComment = error_comment
    return response

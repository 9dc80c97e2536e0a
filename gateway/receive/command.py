"""The command set of a C-STORE request (PS3.7 9.3.1.1), checked before pynetdicom drops what it dislikes.

pynetdicom gives no answer to a request without data set, aborts on a SOP class that it does not know and on a
UID that is too long. The sender shall hear why instead.
"""

from __future__ import annotations

from typing import cast

from pydicom.dataset import Dataset
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from gateway.dicom.uid import is_uid
from gateway.log import log_event
from gateway.receive.association import who
from gateway.receive.presentation import SOP_CLASSES
from gateway.receive.statuses import Refuse, Status


def answer_unusable(event: Event) -> None:
    """Refuse a C-STORE request whose command cannot be served, and keep it from being served."""
    message = event.message
    if not isinstance(message, C_STORE_RQ) or not _is_answerable(event, message):
        return
    try:
        _check(message)
    except Refuse as refusal:
        log_event("refused", status=str(refusal.status), reason=refusal.reason, **who(event.assoc))
        event.assoc.dimse.send_msg(_response(message.command_set, refusal), cast(int, message.context_id))
        for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID"):
            message.command_set.pop(keyword, None)  # to pynetdicom it is no request any more


def _is_answerable(event: Event, message: DIMSEMessage) -> bool:
    accepted = {context.context_id for context in event.assoc.accepted_contexts}
    return message.context_id in accepted and "MessageID" in message.command_set


def _check(message: DIMSEMessage) -> None:
    if _uid(message, "AffectedSOPClassUID") not in SOP_CLASSES:
        raise Refuse(Status.SOP_CLASS_NOT_SUPPORTED, "the SOP Class is not among those that are stored")
    if not is_uid(_uid(message, "AffectedSOPInstanceUID")):
        raise Refuse(Status.INVALID_SOP_INSTANCE, "the command's SOP Instance UID is no UID")
    if message.data_set is None or message.data_set.tell() == 0:
        raise Refuse(Status.EMPTY, "the data set is empty")


def _uid(message: DIMSEMessage, keyword: str) -> str:
    """Return a UID as it was sent; pydicom would warn of an invalid one."""
    value = message.command_set.get_item(keyword).value if keyword in message.command_set else None
    return (value or b"").decode("ascii", "replace").rstrip("\0 ")


def _response(command: Dataset, refusal: Refuse) -> C_STORE:
    response = C_STORE()
    response.MessageIDBeingRespondedTo = command.MessageID
    if refusal.status is not Status.SOP_CLASS_NOT_SUPPORTED:
        response.AffectedSOPClassUID = command.AffectedSOPClassUID
    response.Status = refusal.status
    response.ErrorComment = refusal.error_comment  # type: ignore[assignment] # pynetdicom lacks its type
    return response

"""Checks the command set of a C-STORE request (PS3.7 9.3.1.1) before pynetdicom sees it.

Called by `acceptor`. pynetdicom leaves a request without data set unanswered, and aborts on an unknown SOP
class, on a long UID and on an invalid Priority. Here the sender gets a status and the reason instead.

Private names of pynetdicom used here: `Association._accepted_cx`.
"""

from __future__ import annotations

from typing import cast

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE

from gateway.dicom.statuses import Refuse, Status
from gateway.dicom.uid import is_uid
from gateway.receive.association import peer_fields
from gateway.receive.data_set import Identity
from gateway.receive.sop_classes import SOP_CLASSES
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

MEDIUM, PRIORITIES = 0, (0, 1, 2)  # PS3.7 9.3.1.1: medium, high, low


def is_refused(assoc: Association, message: DIMSEMessage) -> bool:
    """Refuse a C-STORE request whose command is invalid; return True if the request was refused."""
    command = message.command_set
    if not isinstance(message, C_STORE_RQ) or not isinstance(command.get("MessageID"), int):
        return False
    if command.get("Priority") not in PRIORITIES:
        command.Priority = MEDIUM  # the gateway knows no priorities
    context_id = cast(int, message.context_id)
    try:
        check_command(message, str(assoc._accepted_cx[context_id].abstract_syntax))
        if message.data_set is None or message.data_set.tell() == 0:
            raise Refuse(Status.EMPTY, "the data set is empty")
    except Refuse as refusal:
        log_event(Event.REFUSED, status=str(refusal.status), reason=refusal.reason, **peer_fields(assoc))
        assoc.dimse.send_msg(_response(command, refusal), context_id)
        return True
    return False


def check_command(message: DIMSEMessage, abstract_syntax: str) -> Identity:
    """Return the identity that the command set of a C-STORE request states; `Refuse` where it is invalid."""
    sop_class_uid = _uid(message, "AffectedSOPClassUID")
    return check_identity(sop_class_uid, _uid(message, "AffectedSOPInstanceUID"), abstract_syntax)


def check_identity(sop_class_uid: str, sop_instance_uid: str, abstract_syntax: str) -> Identity:
    """Return the identity of a request in a presentation context; `Refuse` where it is invalid."""
    if sop_class_uid not in SOP_CLASSES:
        raise Refuse(Status.SOP_CLASS_NOT_SUPPORTED, "the SOP Class is not among those that are stored")
    if sop_class_uid != abstract_syntax:
        raise Refuse(Status.SOP_CLASS_MISMATCH, "the SOP Class is not that of the presentation context")
    if not is_uid(sop_instance_uid):
        raise Refuse(Status.INVALID_SOP_INSTANCE, "the command's SOP Instance UID is no UID")
    return Identity(sop_class_uid, sop_instance_uid)


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

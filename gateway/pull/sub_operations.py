"""C-GET's C-STORE sub-operations (PS3.4 C.4.3.1): the adapter between a source's objects and `Intake`.

`QueryAssociation` hands over each object. The request, its draft and its statuses are those of the listener
(`receive.c_store`), so that the same object ends with the same bytes and the same answer by either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import partial

from gateway.dicom.statuses import Refuse, Status
from gateway.files.draft import Draft
from gateway.receive.c_store import ArrivingDataSet, StoreRequest
from gateway.receive.command import check_identity
from gateway.receive.data_set import Header, Identity
from gateway.receive.incoming import Sender
from gateway.receive.intake import Intake
from gateway.requestor.message import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    ERROR_COMMENT,
    STATUS,
    Command,
    Message,
)


class SubOperations:
    """Keeps what a source stores here.

    Parameters
    ----------
    sender
        The source, as rows and routes name it.

    Attributes
    ----------
    lacks_room
        An object was refused because the gateway has no room now.
    refused
        Reason of the last refusal, empty where there was none.
    """

    def __init__(self, intake: Intake, sender: Sender) -> None:
        self._intake = intake
        self._sender = sender
        self._asked: set[str] = set()
        self._forget()

    def expect(self, study_instance_uid: str) -> None:
        """Begin a study: what was refused before does not count; what comes late of earlier ones is kept."""
        self._asked.add(study_instance_uid)
        self._forget()

    def _forget(self) -> None:
        self.lacks_room = False
        self.refused = ""

    def begin(self, abstract_syntax: str, transfer_syntax_uid: str, command: Command) -> ArrivingDataSet:
        """Return where the data set of a request goes; a refusal to begin is kept for its answer."""
        return ArrivingDataSet(partial(self._begin, abstract_syntax, transfer_syntax_uid, command))

    def answer(
        self, abstract_syntax: str, transfer_syntax_uid: str, message: Message
    ) -> Mapping[int, int | str]:
        """Keep the object; return status and comment, as the listener answers."""
        assert isinstance(message.arriving, ArrivingDataSet)  # noqa: S101 - `begin` made it
        claimed = Identity(*_uids(message.command))
        request = _AskedFor(
            self._sender, claimed, abstract_syntax, transfer_syntax_uid, message.arriving, self._asked
        )
        try:
            self._intake.keep(request)
        except Refuse as refusal:
            self.lacks_room |= refusal.status is Status.OUT_OF_RESOURCES
            self.refused = f"{refusal.status} {refusal.reason}"
            return {STATUS: int(refusal.status), ERROR_COMMENT: refusal.error_comment}
        return {STATUS: int(Status.SUCCESS)}

    def _begin(self, abstract_syntax: str, transfer_syntax_uid: str, command: Command) -> Draft:
        identity = check_identity(*_uids(command), abstract_syntax)
        return self._intake.begin(self._sender, identity, transfer_syntax_uid)


@dataclass(frozen=True, slots=True)
class _AskedFor(StoreRequest):
    """A request that must be about a study that was asked for."""

    studies: Set[str]

    def check(self, header: Header) -> None:
        StoreRequest.check(self, header)
        if header.study_instance_uid not in self.studies:
            raise Refuse(Status.SOP_CLASS_MISMATCH, "the image is of a study that was not asked for")


def _uids(command: Command) -> tuple[str, str]:
    return command.text(AFFECTED_SOP_CLASS_UID), command.text(AFFECTED_SOP_INSTANCE_UID)

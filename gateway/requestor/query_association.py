"""An association for query and retrieve (PS3.4 Annex C): many responses to a request, and objects meanwhile.

`dicom_source` opens one for a run of studies. Every wait on the node is bounded, and nothing of an object is
held in memory: its data set is written as it comes, as the listener does it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Protocol

from gateway.client.connection import Connection
from gateway.requestor.association import Association
from gateway.requestor.endings import Ended
from gateway.requestor.message import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_STORE,
    COMMAND_DATA_SET_TYPE,
    DATA_SET,
    MESSAGE_ID,
    STATUS,
    Arriving,
    Command,
    Content,
    Message,
    MessageReader,
    command_set,
)
from gateway.requestor.negotiation import Proposal
from gateway.upper_layer.endings import Malformed

PENDING = {0xFF00, 0xFF01}  # PS3.4 Tables C.4-1 to C.4-3: more responses follow
_WAITS = "the association ended early", "no answer"
_TOO_LATE = "the peer did not come to the end of its answer in time"


class Storage(Protocol):
    """Takes the objects that the node stores here while it answers a C-GET (PS3.4 C.4.3)."""

    def begin(self, abstract_syntax: str, transfer_syntax_uid: str, command: Command) -> Arriving:
        """Return where the data set of a request goes."""

    def answer(
        self, abstract_syntax: str, transfer_syntax_uid: str, message: Message
    ) -> Mapping[int, int | str]:
        """Keep the object; return the elements of the response that say how that ended."""


class QueryAssociation(Association):
    """An association over which the gateway asks.

    Parameters
    ----------
    storage
        Takes what the node stores here; without it, nothing is expected.
    """

    def __init__(
        self,
        node: str,
        connection: Connection,
        proposals: Mapping[int, Proposal],
        storage: Storage | None = None,
    ) -> None:
        super().__init__(node, connection, proposals)
        self._storage = storage
        if storage is not None:
            self._reader = MessageReader(self._begin_storage)

    def still_stands(self) -> bool:
        """Tell whether the node waits for a question; what it stores late is answered with the next one."""
        if self.is_open:
            self._patience.begin()
            with suppress(Ended), self._told("the association ended early", "no whole PDU"):
                self._look()
        return self.is_open

    def inquire(
        self,
        context_id: int,
        request: Mapping[int, int | str],
        identifier: Content,
        *,
        silence_seconds: float,
        whole_seconds: float,
    ) -> Generator[Message, None, None]:
        """Send a request with an identifier; yield each response, of which the last one is not pending.

        What the node stores here meanwhile is kept and answered. Who stops before the last response aborts
        the association.

        Parameters
        ----------
        silence_seconds
            Longest silence of the node.
        whole_seconds
            Longest time until the last response.

        Raises
        ------
        Ended
            If the association ends before the last response.
        """
        self._message_id = self._message_id % 0xFFFF + 1
        told = {MESSAGE_ID: self._message_id, COMMAND_DATA_SET_TYPE: DATA_SET}
        end = monotonic() + whole_seconds
        self._patience.begin(identifier.size)
        with self._told(*_WAITS):
            self._send(context_id, command_set({**request, **told}), identifier)
        while True:
            with self._told(*_WAITS):
                message = self._next_response(context_id, request, silence_seconds, end)
            try:
                yield message
            except GeneratorExit:
                if message.command.number(STATUS) in PENDING:
                    self.abort()
                raise
            if message.command.number(STATUS) not in PENDING:
                return

    def _next_response(
        self, context_id: int, request: Mapping[int, int | str], silence_seconds: float, end: float
    ) -> Message:
        while True:
            message = self._next_within(silence_seconds, end)
            if message.arriving is None:
                break
            self._answer_storage(message, message.arriving)
        self._check_response(message, context_id, request)
        return message

    def _next_within(self, silence_seconds: float, end: float) -> Message:
        """Return the next message; each PDU of it is progress."""
        while not self._inbox:
            left = end - monotonic()
            if left <= 0:
                raise Malformed(_TOO_LATE)
            waited = min(silence_seconds, left)
            self._patience.begin(seconds=waited)
            try:
                self._inbox.extend(self._take())
            except TimeoutError:
                is_silence = waited > silence_seconds / 2  # a moment at the end of the time is none
                silent = f"the peer was silent for {waited:.3g} s within its answer"
                raise Malformed(silent if is_silence else _TOO_LATE) from None
        return self._inbox.popleft()

    def abort(self) -> None:
        """Abort; what the node has stored here and was not answered is forgotten."""
        for message in self._inbox:
            if message.arriving is not None:
                message.arriving.discard()
        self._inbox.clear()
        super().abort()

    # --- objects

    def _begin_storage(self, context_id: int, command: Command) -> Arriving:
        assert self._storage is not None  # noqa: S101 - the reader knows this method only then
        return self._storage.begin(*self._storage_context(context_id), command)

    def _storage_context(self, context_id: int) -> tuple[str, str]:
        """Return abstract and transfer syntax of an accepted context in which the node may store here."""
        proposal, reply = self.proposals.get(context_id), self.reply_to(context_id)
        if proposal is None or not proposal.is_for_storage_here or not reply.is_usable(proposal):
            raise Malformed(f"the peer stores in presentation context {context_id}, which is not for that")
        return proposal.abstract_syntax, reply.transfer_syntax

    def _answer_storage(self, message: Message, arriving: Arriving) -> None:
        """Keep what the node stores here, and answer: a sub-operation of C-GET (PS3.7 9.1.3)."""
        assert self._storage is not None  # noqa: S101 - it began the data set
        command = message.command
        try:
            outcome = self._storage.answer(*self._storage_context(message.context_id), message)
        finally:
            arriving.discard()
        instance = {
            AFFECTED_SOP_CLASS_UID: command.text(AFFECTED_SOP_CLASS_UID),
            AFFECTED_SOP_INSTANCE_UID: command.text(AFFECTED_SOP_INSTANCE_UID),
        }
        self._patience.begin()
        self._respond(message, C_STORE, {**instance, **outcome})

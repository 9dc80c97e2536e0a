"""An association as its requestor: one operation at a time, each answered by its own response or not at all.

The library that receives works with two threads and unbounded queues for each association; a requestor that
does one thing at a time needs neither, and so every wait on the node ends where it happens.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from gateway.client.connection import Connection, NotConnected, Stopped
from gateway.requestor.endings import Ended, Interrupted, NotTakenError, Rejected, ended_by
from gateway.requestor.message import (
    COMMAND_DATA_SET_TYPE,
    COMMAND_FIELD,
    DATA_SET,
    MESSAGE_ID,
    MESSAGE_ID_RESPONDED_TO,
    N_EVENT_REPORT,
    NO_DATA_SET,
    RESPONSE,
    STATUS,
    Command,
    Content,
    Message,
    MessageReader,
    command_set,
    mismatch,
    pdus_of,
)
from gateway.requestor.negotiation import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    P_DATA_TF,
    PDU_NAMES,
    RELEASE_RP,
    RELEASE_RQ,
    Acceptance,
    Proposal,
    Reply,
    abort_in,
    associate_rq,
    pdu,
    rejection_in,
)
from gateway.upper_layer.endings import Malformed

MAXIMUM_PDU_SIZE = 128 * 1024
MAX_CONTEXTS = 128  # PS3.8 9.3.2.2: context IDs are odd and one byte wide

_RELEASE_SECONDS = 3.0  # nothing depends on the answer
_MAX_UNASKED = 8  # messages that come while we send


Report = Callable[[Message], dict[int, int | str]]
"""Answers an N-EVENT-REPORT with the elements of its response."""


class Association:
    """An association that the gateway requested.

    Parameters
    ----------
    node
        How messages name the peer.
    connection
        Over which it goes.
    proposals
        The presentation contexts, by their IDs.
    report
        Takes what the node reports of its own accord; without it, nothing is expected.
    """

    def __init__(
        self,
        node: str,
        connection: Connection,
        proposals: Mapping[int, Proposal],
        report: Report | None = None,
    ) -> None:
        self.proposals = proposals
        self.acceptance = Acceptance({})
        self.is_open = False
        self.end_is_unknown = False
        """True where the last request was sent whole, and no response to it came."""
        self._node = node
        self._connection = connection
        self._patience = connection.patience
        self._report = report
        self._reader = MessageReader()
        self._inbox: deque[Message] = deque()
        self._message_id = 0

    # --- beginning

    def connect(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect to the node.

        Raises
        ------
        Ended
            If it is not there, or its TLS does not fit.
        """
        try:
            self._connection.open(host, port)
        except NotConnected as error:
            raise Ended(f"{self._node}: nothing answers there ({error})") from None
        except (OSError, UnicodeError) as error:  # a name that cannot be resolved, or is none
            raise Ended(f"{self._node}: the host is not known ({error})") from None
        except Stopped as error:
            raise Interrupted(f"{self._node}: {error}") from None
        if tls is not None:
            closed = (
                "connected, but the peer closed the connection during the TLS handshake: does it speak TLS?"
            )
            with self._told(closed, "connected, but no TLS handshake"):
                self._connection.secure(tls, host)

    def request(self, called: str, calling: str) -> None:
        """Associate (PS3.8 7.1).

        Raises
        ------
        Ended
            If the node rejects, aborts, does not answer, or answers what cannot be read.
        """
        closed = (
            "connected, but the peer closed the connection before it answered: does it want TLS, or not know"
            " this gateway's address?"
        )
        self._patience.begin()
        with self._told(closed, "connected, but no answer to the association request"):
            with suppress(ConnectionError, ssl.SSLEOFError):  # what it said before it closed says more
                self._connection.send(associate_rq(called, calling, self.proposals, MAXIMUM_PDU_SIZE))
            kind, content = self._connection.receive()
            if kind == ASSOCIATE_RJ:
                why, told = rejection_in(content)
                raise Rejected(f"{self._node}: association rejected: {told}", why)
            if kind == ABORT:
                raise Malformed(f"{abort_in(content)}, before it answered")
            if kind != ASSOCIATE_AC:
                raise Malformed(f"the peer answered the association request with {PDU_NAMES[kind]}")
            self.acceptance = Acceptance.read(content)
        self.is_open = True

    def reply_to(self, context_id: int) -> Reply:
        """Return how a proposed context was answered."""
        return self.acceptance.replies.get(context_id, Reply(None))

    # --- operations

    def check(self) -> None:
        """See that the node still waits for a request.

        Raises
        ------
        Ended
            If it has released, aborted or closed, or sent what nobody asked for.
        """
        self._patience.begin()
        with self._told("the association ended early", "no whole PDU"):
            self._look()
            if self._inbox:
                raise Malformed("the peer sent an answer that nobody waits for")

    def operate(
        self, context_id: int, request: Mapping[int, int | str], data_set: Content | None = None
    ) -> Command:
        """Send a request and return the response to it.

        What answers another message, or nothing, ends the association: it proves nothing (PS3.7 9.1.1.1.2).

        Raises
        ------
        Ended
            If there is none; then `end_is_unknown` tells whether the node may have done it nevertheless.
        """
        self._message_id = self._message_id % 0xFFFF + 1
        told = {
            MESSAGE_ID: self._message_id,
            COMMAND_DATA_SET_TYPE: NO_DATA_SET if data_set is None else DATA_SET,
        }
        size = 0 if data_set is None else data_set.size
        self._patience.begin(size * (12 + self.acceptance.longest_pdu) // self.acceptance.longest_pdu)
        self.end_is_unknown = False
        with self._told("the association ended early", "no answer"):
            self._send(context_id, command_set({**request, **told}), data_set)
            self.end_is_unknown = True
            is_early = any(_field(message) != N_EVENT_REPORT for message in self._inbox)
            response = self._response(context_id, request)
            if is_early and response.number(STATUS) == 0x0000:
                raise Malformed("the peer answered 0x0000 before it had the object")
        self.end_is_unknown = False
        return response

    def wait_for_report(self, seconds: float) -> None:
        """Give the node a while to report of its own accord.

        Raises
        ------
        Ended
            If the association ends meanwhile.
        """
        self._patience.begin(seconds=seconds)
        with self._told("the association ended early", "no report"), suppress(TimeoutError):
            self._answer_report(self._next())

    # --- end

    def release(self) -> None:
        """Release (PS3.8 7.2); a node that does not answer is left alone soon."""
        self.is_open = False
        self._reader.forget()
        self._patience.begin(seconds=_RELEASE_SECONDS)
        with suppress(OSError, Malformed, Stopped):
            self._connection.send(pdu(RELEASE_RQ))
            while (kind := self._connection.receive()[0]) != RELEASE_RP and kind != ABORT:
                if kind == RELEASE_RQ:  # both at once (PS3.8 9.2.3, AR-8)
                    self._connection.send(pdu(RELEASE_RP))
        self._connection.close()

    def abort(self) -> None:
        """Abort (PS3.8 7.3) where that needs no waiting, and close the connection."""
        self.is_open = False
        self._reader.forget()
        self._connection.send_if_possible(pdu(ABORT))
        self._connection.close()

    @contextmanager
    def _told(self, closed: str, silent: str) -> Iterator[None]:
        """Turn what ends the association into a sentence about the node; nothing more goes over it then."""
        try:
            yield
        except BaseException as problem:
            self.abort()
            if isinstance(problem, Malformed | Stopped | OSError):
                raise ended_by(
                    problem, self._node, closed=closed, silent=silent, seconds=self._patience.seconds
                ) from None
            raise

    # --- messages

    def _send(self, context_id: int, command: bytes, data_set: Content | None) -> None:
        try:
            for pdus in pdus_of(context_id, command, data_set, self.acceptance.longest_pdu):
                self._look()
                self._connection.send(pdus)
        except OSError as error:
            with suppress(OSError):  # perhaps the node has said why it takes no more
                self._look()
            if not self._inbox:
                raise NotTakenError(str(error)) if isinstance(error, TimeoutError) else error from None
            self.is_open = False

    def _look(self) -> None:
        """Take what has come meanwhile, without waiting where nothing has."""
        while self._connection.has_begun():
            self._inbox.extend(self._take())
            if len(self._inbox) > _MAX_UNASKED:
                raise Malformed("the peer sent answers that nobody waits for")

    def _next(self) -> Message:
        while not self._inbox:
            self._inbox.extend(self._take())
        return self._inbox.popleft()

    def _take(self) -> Iterator[Message]:
        kind, content = self._connection.receive()
        if kind == P_DATA_TF:
            return self._reader.take(content)
        if kind == ABORT:
            raise Malformed(f"the association ended early: {abort_in(content)}")
        if kind == RELEASE_RQ:
            self._connection.send_if_possible(pdu(RELEASE_RP))
            raise Malformed("the association ended early: the peer released it")
        raise Malformed(f"the peer sent {PDU_NAMES[kind]} within an association")

    def _response(self, context_id: int, request: Mapping[int, int | str]) -> Command:
        message = self._next()
        while self._report is not None and _field(message) == N_EVENT_REPORT:
            self._answer_report(message)
            message = self._next()
        self._check_response(message, context_id, request)
        return message.command

    def _check_response(self, message: Message, context_id: int, request: Mapping[int, int | str]) -> None:
        if wrong := mismatch(message, context_id, self._message_id, request):
            raise Malformed(f"the peer answered another message than ours: {wrong}")
        if message.command.number(STATUS) is None:
            raise Malformed("the peer answered without a status")

    def _answer_report(self, message: Message) -> None:
        if self._report is None or _field(message) != N_EVENT_REPORT:
            raise Malformed("the peer sent an answer that nobody waits for")
        self._respond(message, N_EVENT_REPORT, self._report(message))

    def _respond(self, message: Message, command_field: int, elements: Mapping[int, int | str]) -> None:
        """Answer a request of the node (PS3.7 9.1 and 10.1); the elements are those of its own kind."""
        told: dict[int, int | str] = {
            **elements,
            COMMAND_FIELD: command_field | RESPONSE,
            MESSAGE_ID_RESPONDED_TO: message.command.number(MESSAGE_ID) or 0,
            COMMAND_DATA_SET_TYPE: NO_DATA_SET,
        }
        for pdus in pdus_of(message.context_id, command_set(told), None, self.acceptance.longest_pdu):
            self._connection.send(pdus)


def _field(message: Message) -> int | None:
    return message.command.number(COMMAND_FIELD)

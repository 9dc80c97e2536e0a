"""HL7 v2 messages to a RIS, an EHR or an interface engine over MLLP.

A message is delivered once the receiver has acknowledged it by its MSH-10. A message whose acknowledgement
did not come is sent again with the same bytes: the receiver knows it by MSH-10.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from gateway.client.exchange import HungUp, Interrupted, Unanswered, Unreached
from gateway.deliver.acknowledgement import Acknowledgement, Malformed, Message
from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.mllp import MllpConnection, Receiver
from gateway.deliver.outcome import SUPERSEDED, Outcome, Verdict, each_by_itself
from gateway.deliver.redaction import redacted
from gateway.doctor.advice import advice_for
from gateway.doctor.finding import Finding, good, wrong
from gateway.records import HL7
from gateway.settings import HL7Destination
from gateway.store.entries import PendingDelivery

NO_PATIENT = "the image names no Patient ID, and the receiver could not file the message; correct the image"

# HL7 table 0008, original and enhanced mode
ACCEPTED, ERROR, REJECTED = {"AA", "CA"}, {"AE", "CE"}, {"AR", "CR"}

PASSING = {"206", "207"}  # HL7 table 0357: application record locked, application internal error
"""Reasons of a rejection that say nothing of the message: the receiver may take it later (2.9.2.2)."""


class MessageReceiver(Destination):
    """A receiver of HL7 v2 messages."""

    def __init__(self, destination: HL7Destination) -> None:
        self.name = destination.name
        self.timeout_seconds = destination.timeout_seconds
        self.certificate = destination.tls.certificate if destination.tls else None
        self._receiver = Receiver(
            destination.host, destination.port, destination.timeout_seconds, destination.tls
        )
        self._after_error = Verdict.LATER if destination.on_error == "later" else Verdict.NEVER

    def accepts(self, kind: str, media_type: str) -> bool:  # noqa: ARG002
        """Take HL7 messages."""
        return kind == HL7

    def deliver(
        self, pending: Sequence[PendingDelivery], stopping: threading.Event | None = None
    ) -> Iterator[Outcome]:
        """Send one message after the other; each waits for the acknowledgement of the one before."""
        line = _Line(self._receiver, stopping)
        try:
            yield from each_by_itself(pending, lambda delivery: self._deliver(line, delivery))
        finally:
            line.hang_up()

    def _deliver(self, line: _Line, delivery: PendingDelivery) -> tuple[Outcome, bool]:
        """Return what became of the message, and whether the receiver takes another one."""
        if delivery.is_superseded:
            return Outcome(delivery, Verdict.NEVER, SUPERSEDED), True
        try:
            content = delivery.path.read_bytes()
            message = Message(content)
        except OSError as error:
            return Outcome(delivery, Verdict.LATER, f"{delivery.path}: {error.strerror or error}"), True
        except Malformed as problem:
            return Outcome(delivery, Verdict.NEVER, f"{delivery.path}: no HL7 message: {problem}"), True
        if not message.patient_id:
            return Outcome(delivery, Verdict.NEVER, NO_PATIENT), True
        return self._exchange(line, delivery, content, message)

    def _exchange(
        self, line: _Line, delivery: PendingDelivery, content: bytes, message: Message
    ) -> tuple[Outcome, bool]:
        try:
            answer = line.exchange(content, message.control_id)
        except Unreached as problem:
            line.hang_up()
            return Outcome(delivery, Verdict.AWAY, str(problem)), False
        except Interrupted as problem:
            line.hang_up()
            return Outcome(delivery, Verdict.AWAY, str(problem), unsure=True), False
        except Unanswered as problem:
            line.hang_up()
            told = redacted(str(problem), message.identifiers)
            return Outcome(delivery, Verdict.LATER, told, unsure=True), False
        return self._judge(line, delivery, answer, message), True

    def _judge(
        self, line: _Line, delivery: PendingDelivery, answer: Acknowledgement, message: Message
    ) -> Outcome:
        if answer.code in ACCEPTED:
            return Outcome(delivery, Verdict.DELIVERED)
        told = f"{self._receiver}: it answers {redacted(str(answer), message.identifiers)}"
        if answer.code in REJECTED:
            verdict = Verdict.LATER if answer.errors & PASSING else Verdict.NEVER
            return Outcome(delivery, verdict, told)
        if answer.code in ERROR:
            return Outcome(delivery, self._after_error, told)
        line.hang_up()
        return Outcome(delivery, Verdict.LATER, f"{told}, which HL7 table 0008 does not have", unsure=True)

    def examine(self, sop_classes: Mapping[str, str]) -> Iterator[Finding]:  # noqa: ARG002
        """Connect and shake hands; a message would be taken for a result, so that none is sent."""
        connection = MllpConnection(self._receiver)
        try:
            connection.open()
        except Unreached as problem:
            yield wrong(self.title, str(problem), advice_for(str(problem)))
        else:
            yield good(self.title, f"{self._receiver} takes connections; no message was sent")
        finally:
            connection.close()

    @property
    def audit_target(self) -> AuditTarget:
        """The receiver, by address and port."""
        return AuditTarget(str(self._receiver), address=self._receiver.host)


class _Line:
    """Holds the connection over which messages go, as long as it is of use."""

    def __init__(self, receiver: Receiver, stopping: threading.Event | None) -> None:
        self._receiver = receiver
        self._stopping = stopping
        self._connection: MllpConnection | None = None

    def exchange(self, content: bytes, control_id: str) -> Acknowledgement:
        """Send a message, over the connection of the one before where nothing is under way on it.

        A receiver may close a connection between two messages. A message that meets its end is sent again
        over a new one, at once.

        Raises
        ------
        Unreached, Unanswered
        """
        if self._connection is not None and self._connection.is_usable:
            with suppress(HungUp):
                return self._connection.exchange(content, control_id)
        self.hang_up()
        self._connection = MllpConnection(self._receiver, self._stopping)
        self._connection.open()
        return self._connection.exchange(content, control_id)

    def hang_up(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

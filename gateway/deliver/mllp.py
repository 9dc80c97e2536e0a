"""HL7 v2 messages over MLLP (HL7 v2 Transport Specification, Release 1, 2.3): one connection, one at a time.

The destination `hl7` calls it. Whatever the receiver does, an exchange ends within the destination's
`timeout_seconds`, and at most `MAX_ANSWER_BYTES` of an acknowledgement are held. An answer that does not
name the message is none: the connection is closed, so that it can never be taken for the answer to another
message.
"""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass

from gateway.client.connection import Connection, Patience, Stopped
from gateway.client.exchange import HungUp, Interrupted, Unanswered, Unreached
from gateway.deliver.acknowledgement import Acknowledgement, Malformed, Message
from gateway.errors import ConfigurationError
from gateway.peer_text import clean
from gateway.settings import ClientTLS
from gateway.tls import client_context, problem_of

MAX_ANSWER_BYTES = 64 * 1024
"""An acknowledgement takes some hundred bytes."""

START, END, CARRIAGE_RETURN = b"\x0b", b"\x1c", b"\r"
COMMITTED = b"\x06"
"""A commit acknowledgement of Release 2, which says of the message itself nothing."""
_BETWEEN_FRAMES = b"\r\n"  # what receivers send there, and nobody reads
_BLOCK_BYTES = 4096
_LAST_WORD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Address of a receiver, and the patience with it."""

    host: str
    port: int
    timeout_seconds: float
    tls: ClientTLS | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class MllpConnection:
    """A connection to a receiver; it is opened by `open`, and is not used again after a problem.

    Parameters
    ----------
    stopping
        Once set, an exchange is ended within seconds.
    """

    def __init__(self, receiver: Receiver, stopping: threading.Event | None = None) -> None:
        self._receiver = receiver
        self._patience = Patience(receiver.timeout_seconds, stopping)
        self._connection = Connection(self._patience)
        self._left_over = b""

    def open(self) -> None:
        """Connect, and shake hands for TLS.

        Raises
        ------
        Unreached
            If nobody answers, or TLS fails.
        """
        receiver = self._receiver
        try:
            context = client_context(receiver.tls) if receiver.tls else None
            self._connection.open(receiver.host, receiver.port)
            if context is not None:
                self._connection.secure(context, receiver.host)
        except ssl.SSLError as error:
            raise Unreached(f"{receiver}: {problem_of(error)}") from error
        except (ConfigurationError, Stopped) as error:
            raise Unreached(f"{receiver}: {error}") from error
        except (socket.gaierror, UnicodeError) as error:
            raise Unreached(f"{receiver}: the host is not known ({error})") from error
        except OSError as error:
            raise Unreached(f"{receiver}: nothing answers there ({error})") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @property
    def is_usable(self) -> bool:
        """Tell whether another message can be sent: the receiver is there, and has said nothing unasked."""
        try:
            for _ in range(MAX_ANSWER_BYTES // _BLOCK_BYTES):
                if self._left_over.strip(_BETWEEN_FRAMES):
                    return False
                if not self._connection.has_begun():
                    return True
                self._left_over = self._connection.take(_BLOCK_BYTES)
        except (OSError, Stopped):
            return False
        return False

    def exchange(self, content: bytes, control_id: str) -> Acknowledgement:
        """Send a message and return its acknowledgement.

        Raises
        ------
        Unanswered
            If there is none: the receiver may have the message nevertheless.
        """
        try:
            self._send(START + content + END + CARRIAGE_RETURN)
            answer = Message(self._frame()).acknowledgement()
        except Stopped as error:
            raise Interrupted(f"{self._receiver}: {error}") from error
        except TimeoutError as error:
            told = f"no whole acknowledgement within {self._receiver.timeout_seconds:g} s"
            raise Unanswered(f"{self._receiver}: {told}", is_silent=True) from error
        except Malformed as problem:
            raise Unanswered(f"{self._receiver}: the answer is no acknowledgement: {problem}") from None
        except (ConnectionError, ssl.SSLEOFError) as error:
            raise HungUp(f"{self._receiver}: {error.strerror or error}{self._hint}") from error
        except ssl.SSLError as error:
            raise Unanswered(f"{self._receiver}: {problem_of(error)}") from error
        except OSError as error:
            raise Unanswered(f"{self._receiver}: {error.strerror or error}") from error
        if answer.control_id != control_id:
            raise Unanswered(
                f"{self._receiver}: it acknowledges another message, {clean(answer.control_id, 40)!r}"
            )
        return answer

    def _send(self, frame: bytes) -> None:
        self._patience.begin(len(frame))
        try:
            self._connection.send(frame)
        except TimeoutError:
            raise
        except OSError:  # what the receiver said before it closed says more: an alert, an acknowledgement
            self._patience.begin(seconds=min(_LAST_WORD_SECONDS, self._receiver.timeout_seconds))
        else:
            self._patience.begin()

    @property
    def _hint(self) -> str:
        """With TLS 1.3 a refusal of our certificate comes while we send, and is not always read."""
        return "; the receiver may have refused our certificate, or want one" if self._receiver.tls else ""

    def _frame(self) -> bytes:
        """Return the content of the next frame that may answer; what comes before it is dropped."""
        received = bytearray()
        while True:
            begun = received.find(START)
            ended = received.find(END, begun) if begun >= 0 else -1
            if ended >= 0:
                begun = received.rfind(START, begun, ended)
                content = bytes(received[begun + len(START) : ended])
                del received[: ended + len(END)]
                if content == COMMITTED:
                    continue
                self._left_over = bytes(received)
                return content
            if len(received) >= MAX_ANSWER_BYTES:
                raise Malformed(f"it has more than {MAX_ANSWER_BYTES >> 10} kB")
            taken = self._connection.take(_BLOCK_BYTES)
            if not taken:
                raise ConnectionResetError("the receiver closed the connection before it acknowledged")
            received += taken

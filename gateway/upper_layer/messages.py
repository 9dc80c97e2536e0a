"""Reassembles DIMSE messages from P-DATA fragments (PS3.7 6.3, PS3.8 E.2) within bounds. `provider` calls it.

A malformed, unfinished or oversized message is `Malformed`, which aborts its association. pynetdicom itself
decodes a command set of any size.

Private name of pynetdicom used here: `Association._accepted_cx`.
"""

from __future__ import annotations

import queue
import struct
from io import BytesIO
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_CANCEL
from pynetdicom.pdu_primitives import P_DATA

from gateway.peer_text import clean
from gateway.upper_layer.endings import UNEXPECTED_PDU, Malformed
from gateway.upper_layer.transport import MIN_BYTES_PER_SECOND

if TYPE_CHECKING:
    from gateway.upper_layer.association import Association

MAX_COMMAND_BYTES = 64 * 1024
"""Longest command set in bytes: a hundred times the largest of PS3.7 Annex E."""

MAX_COMMAND_ELEMENTS = 100
"""Limit on elements of a command set: three times the number in PS3.7 Annex E."""

MAX_COMMAND_VALUE_BYTES = 4096
"""Longest value in a command set in bytes: a list of a thousand tags."""

MAX_MESSAGE_BYTES = 512 * 1024 * 1024
"""Longest data set of a C-STORE request in bytes: several times the largest radiograph."""

MAX_OTHER_DATA_SET_BYTES = 256 * 1024
"""Longest data set of another message in bytes, built in memory: a report on a thousand objects."""

MAX_EMPTY_FRAGMENTS = 1000
"""Limit on empty fragments of a message."""

MAX_MESSAGES_AHEAD = 256
"""Limit on messages without a pause: asynchronous operations are not negotiated (PS3.7 D.3.3.3), and a
megabyte of requests would take half a minute."""

REST_SECONDS = 0.02
"""Polling interval where no event tells of a change: memory held by other associations, a thread's end."""

_COMMAND, _LAST = 1, 2  # bits of the message control header (PS3.8 E.2)
_ELEMENT = struct.Struct("<HHI")


class Messages(DIMSEServiceProvider):
    """One association's messages, in both directions."""

    def __init__(self, assoc: Association) -> None:
        super().__init__(assoc)
        self._ahead = 0
        self._changed = Event()
        self._begin()

    @property
    def is_within_message(self) -> bool:
        """True while a message has begun and not ended."""
        return self.message is not None

    def get_msg(self, block: bool = False) -> Any:  # noqa: ARG002 - of the overridden method
        """Return the next message, or a pair of None where another change wants a look (see `wake`).

        pynetdicom looks every millisecond, which takes a whole core for 200 silent associations.
        """
        self._changed.wait(cast("Association", self.assoc).dul.seconds_to_silence())
        self._changed.clear()
        try:
            found = self.msg_queue.get(block=False)
        except queue.Empty:
            return None, None
        self.wake()  # for a look at what comes after the message
        return found

    def wake(self) -> None:
        """Let the association's thread look for messages, for its end, and at its timeouts."""
        self._changed.set()

    def restart_clock(self) -> None:
        """Restart the measurement of the peer's pace."""
        self._since, self._bytes = monotonic(), 0

    def take(self, context_id: int, control: int, fragment: memoryview) -> None:
        """Add the next fragment of a message; the bytes are copied.

        Raises
        ------
        Malformed
            When the fragment is out of place, or the message exceeds a bound.
        """
        if self.message is None:
            self._begin()
            self.message = DIMSEMessage()
            self.message.context_id = context_id
            self.wake()  # the timeout of a message may be shorter than that between messages
        self._check_place(context_id, bool(control & _COMMAND))
        self._bytes += len(fragment)
        self._empty += not fragment
        part = self._command if control & _COMMAND else cast(Any, self.message.data_set)
        part.write(fragment)
        self._check_size(part.tell(), bool(control & _COMMAND))
        if control & _LAST:
            self._end_part(bool(control & _COMMAND))
        elif self._empty > MAX_EMPTY_FRAGMENTS:
            raise Malformed("the peer sent a message of empty fragments")

    def caught_up(self) -> None:
        """Record that all received data are processed: the peer waits or is slower."""
        self._ahead = 0

    def check_pace(self) -> None:
        """Raise `Malformed` where a message exceeds its timeout and is slower than `MIN_BYTES_PER_SECOND`."""
        taken = monotonic() - self._since
        patience = cast("Association", self.assoc).message_timeout or float("inf")
        if self.message is not None and taken > patience and self._bytes < taken * MIN_BYTES_PER_SECOND:
            raise Malformed(f"the peer sent a message slower than {MIN_BYTES_PER_SECOND} bytes a second")

    def forget(self) -> None:
        """Drop an unfinished message."""
        self.message = None
        self._begin()

    def _begin(self) -> None:
        self._command = BytesIO()
        self._awaits_data = False
        self._empty = 0
        self.restart_clock()

    def _check_place(self, context_id: int, is_command: bool) -> None:
        if context_id not in self.assoc._accepted_cx:
            raise Malformed(
                f"the peer sent a fragment in presentation context {context_id}, which is not accepted"
            )
        if context_id != cast(DIMSEMessage, self.message).context_id:
            raise Malformed("the peer mixed two presentation contexts in one message", UNEXPECTED_PDU)
        if is_command is self._awaits_data:
            expected = "the data set was" if self._awaits_data else "a command was"
            raise Malformed(
                f"the peer sent a fragment of the wrong kind where {expected} expected", UNEXPECTED_PDU
            )

    def _check_size(self, count: int, is_command: bool) -> None:
        if is_command:
            bound = MAX_COMMAND_BYTES
        else:
            bound = MAX_MESSAGE_BYTES if isinstance(self.message, C_STORE_RQ) else MAX_OTHER_DATA_SET_BYTES
        if count > bound:
            kind = "command set" if is_command else "data set"
            raise Malformed(f"the peer sent a {kind} of more than {bound} bytes")

    def _end_part(self, is_command: bool) -> None:
        message = cast(DIMSEMessage, self.message)
        try:
            if is_command and not self._decode_command(message):
                self._awaits_data = True
                self._expect_data_set(cast(DIMSEMessage, self.message))
                return
            self.message = None
            self._ahead += 1
            if self._ahead > MAX_MESSAGES_AHEAD:
                cause = f"the peer sent more than {MAX_MESSAGES_AHEAD} messages without waiting for an answer"
                raise Malformed(cause, UNEXPECTED_PDU)
            self._deliver(message)
        except Malformed:
            raise
        except Exception as error:  # pydicom and pynetdicom raise whatever they stumble over
            raise Malformed(
                f"the peer sent a message that cannot be read ({clean(repr(error), 200)})"
            ) from error

    def _decode_command(self, message: DIMSEMessage) -> bool:
        """Decode the command set; return whether the message has no data set."""
        encoded = self._command.getvalue()
        _check_command(encoded)
        whole = P_DATA()
        whole.presentation_data_value_list.append((cast(int, message.context_id), b"\x03" + encoded))
        return message.decode_msg(whole, self.assoc)

    def _expect_data_set(self, message: DIMSEMessage) -> None:
        """Prepare for the data set of a message whose command set has been read; here it goes into memory."""

    def _deliver(self, message: DIMSEMessage) -> None:
        """Queue a complete message for its service."""
        evt.trigger(self.assoc, evt.EVT_DIMSE_RECV, {"message": message})
        primitive = message.message_to_primitive()
        context_id = cast(int, message.context_id)
        if isinstance(primitive, C_CANCEL):
            return  # no operation of the gateway can be cancelled (PS3.7 9.3.2.3)
        self.msg_queue.put((context_id, cast(Any, primitive)))
        self.wake()


def _check_command(encoded: bytes) -> None:
    """Check that a command set is a short list of group 0000 elements (PS3.7 6.3.1) before pydicom decodes
    it."""
    offset = count = 0
    while offset < len(encoded):
        if len(encoded) - offset < _ELEMENT.size:
            raise Malformed("the peer sent a command set that ends within an element")
        group, _, length = _ELEMENT.unpack_from(encoded, offset)
        offset += _ELEMENT.size + length
        count += 1
        is_bounded = length <= MAX_COMMAND_VALUE_BYTES and count <= MAX_COMMAND_ELEMENTS
        if group != 0 or offset > len(encoded) or not is_bounded:
            raise Malformed("the peer sent a malformed command set (PS3.7 6.3.1)")

"""DIMSE messages (PS3.7 6.3): command sets, and their way into and out of P-DATA-TF PDUs (PS3.8 Annex E)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.peer_text import clean
from gateway.requestor.negotiation import P_DATA_TF
from gateway.upper_layer.endings import Malformed
from gateway.upper_layer.messages import MAX_COMMAND_BYTES, MAX_MESSAGE_BYTES, MAX_OTHER_DATA_SET_BYTES

# PS3.7 E.1
AFFECTED_SOP_CLASS_UID, REQUESTED_SOP_CLASS_UID = 0x00000002, 0x00000003
COMMAND_FIELD = 0x00000100
MESSAGE_ID, MESSAGE_ID_RESPONDED_TO = 0x00000110, 0x00000120
MOVE_DESTINATION = 0x00000600
PRIORITY = 0x00000700
COMMAND_DATA_SET_TYPE = 0x00000800
STATUS, ERROR_COMMENT = 0x00000900, 0x00000902
AFFECTED_SOP_INSTANCE_UID, REQUESTED_SOP_INSTANCE_UID = 0x00001000, 0x00001001
EVENT_TYPE_ID, ACTION_TYPE_ID = 0x00001002, 0x00001008

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030
N_EVENT_REPORT, N_ACTION = 0x0100, 0x0130
RESPONSE = 0x8000  # or'ed into the Command Field
DATA_SET, NO_DATA_SET = 0x0001, 0x0101

MAX_COMMENT = 64  # LO; what is longer is cut

_BATCH_BYTES = 64 * 1024  # of short PDUs that are written together
_COMMAND, _LAST = 1, 2  # Message Control Header (PS3.8 E.2)


class Content(Protocol):
    """The bytes of a data set, read as they are sent."""

    size: int

    def read(self, count: int) -> bytes:
        """Return the next bytes, exactly so many."""


class Command:
    """A command set that was received: values by tag."""

    def __init__(self, encoded: bytes) -> None:
        self._values = dict(_elements(encoded))

    def number(self, tag: int) -> int | None:
        """Return the value of an US, None where there is none."""
        value = self._values.get(tag, b"")
        return int.from_bytes(value, "little") if len(value) == 2 else None

    def text(self, tag: int, limit: int = MAX_COMMENT) -> str:
        """Return an UI or LO without its padding, made safe to be shown."""
        return clean(self._values.get(tag, b"").decode("latin-1").strip("\0 "), limit)


class Arriving(Protocol):
    """Takes the data set of a C-STORE request as it comes."""

    def write(self, fragment: bytes, /) -> int:
        """Append the next fragment; raises nothing."""

    def discard(self) -> None:
        """Forget it: the request did not end, or has been answered."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received; a C-STORE request's data set is in `arriving`."""

    context_id: int
    command: Command
    data_set: bytes
    arriving: Arriving | None = None


Begin = Callable[[int, Command], Arriving]
"""Returns where the data set of a C-STORE request goes; its presentation context and command have come."""


def command_set(values: Mapping[int, int | str]) -> bytes:
    """Return a command set with its group length, in implicit VR little endian (PS3.7 6.3.1)."""
    body = b"".join(_element(tag, _encoded(tag, value)) for tag, value in sorted(values.items()))
    return _element(0x00000000, struct.pack("<I", len(body))) + body


def pdus_of(context_id: int, command: bytes, data_set: Content | None, longest_pdu: int) -> Iterator[bytes]:
    """Cut a message into PDUs of at most so many bytes; short ones come several together."""
    size = _fragment_bytes(longest_pdu)
    yield _pdus(context_id, _COMMAND, command, size, is_end=True)
    if data_set is None:
        return
    left = data_set.size
    while left:
        data = data_set.read(min(left, max(size, _BATCH_BYTES // size * size)))
        left -= len(data)
        yield _pdus(context_id, 0, data, size, is_end=not left)


class MessageReader:
    """Puts the fragments of messages together.

    Parameters
    ----------
    begin_storage
        Where objects may be stored here; None where no request is expected to hold one.
    """

    def __init__(self, begin_storage: Begin | None = None) -> None:
        self._begin_storage = begin_storage
        self._begin()

    def _begin(self) -> None:
        self._context_id: int | None = None
        self._command: Command | None = None
        self._fragments = bytearray()
        self._arriving: Arriving | None = None
        self._weight = 0

    def forget(self) -> None:
        """Discard an object whose request has not ended."""
        if self._arriving is not None:
            self._arriving.discard()
        self._begin()

    def take(self, content: bytes) -> Iterator[Message]:
        """Take a P-DATA-TF PDU; yield the messages that end in it.

        Raises
        ------
        Malformed
            If the PDU or the message is not as the standard says, or is larger than any answer.
        """
        start = 0
        while start < len(content):
            if start + 6 > len(content):
                raise Malformed("the peer sent a P-DATA-TF that ends within a presentation data value")
            length, context_id, header = struct.unpack_from(">IBB", content, start)
            end = start + 4 + length
            if length < 2 or end > len(content):
                raise Malformed(f"the peer sent a presentation data value that claims {length} bytes")
            message = self._add(context_id, header, content[start + 6 : end])
            if message is not None:
                yield message
            start = end

    def _add(self, context_id: int, header: int, fragment: bytes) -> Message | None:
        if self._context_id not in (None, context_id):
            raise Malformed("the peer mixed two presentation contexts in one message")
        if bool(header & _COMMAND) != (self._command is None):
            raise Malformed("the peer sent command and data set in disorder")
        self._context_id = context_id
        if self._arriving is None:
            self._fragments += fragment
        else:
            self._arriving.write(fragment)
        self._weight += max(1, len(fragment))
        if self._weight > self._limit():
            raise Malformed("the peer sent an answer larger than any can be")
        return self._completed(context_id) if header & _LAST else None

    def _limit(self) -> int:
        if self._command is None:
            return MAX_COMMAND_BYTES
        return MAX_OTHER_DATA_SET_BYTES if self._arriving is None else MAX_MESSAGE_BYTES

    def _completed(self, context_id: int) -> Message | None:
        whole = bytes(self._fragments)
        self._fragments.clear()
        self._weight = 0
        if self._command is None:
            self._command, whole = Command(whole), b""
            if self._command.number(COMMAND_DATA_SET_TYPE) not in (None, NO_DATA_SET):
                if self._begin_storage and self._command.number(COMMAND_FIELD) == C_STORE:
                    self._arriving = self._begin_storage(context_id, self._command)
                return None
        message = Message(context_id, self._command, whole, self._arriving)
        self._begin()
        return message


def mismatch(message: Message, context_id: int, message_id: int, request: Mapping[int, int | str]) -> str:
    """Return why a message is no response to a request (PS3.7 9.1.1.1.2); empty where it is one."""
    command = message.command
    field = command.number(COMMAND_FIELD)
    expected = int(request[COMMAND_FIELD]) | RESPONSE
    if field != expected:
        return f"Command Field {'absent' if field is None else f'0x{field:04X}'}, not 0x{expected:04X}"
    answered = command.number(MESSAGE_ID_RESPONDED_TO)
    if answered != message_id:
        return f"Message ID {answered}, not {message_id}"
    if message.context_id != context_id:
        return f"presentation context {message.context_id}, not {context_id}"
    instance = command.text(AFFECTED_SOP_INSTANCE_UID)
    if instance and instance != request.get(AFFECTED_SOP_INSTANCE_UID, instance):
        return f"SOP Instance UID {instance}"
    return ""


def _fragment_bytes(longest_pdu: int) -> int:
    """Return how much of a message fits into one PDU: an even number, if there is room for two."""
    room = longest_pdu - 6
    return room - room % 2 or 1


def _pdus(context_id: int, header: int, data: bytes, size: int, *, is_end: bool) -> bytes:
    whole = _header(context_id, header, size)
    parts = [part for start in range(0, len(data), size) for part in (whole, data[start : start + size])]
    parts[-2] = _header(context_id, header | (_LAST if is_end else 0), len(parts[-1]))
    return b"".join(parts)


def _header(context_id: int, header: int, size: int) -> bytes:
    return struct.pack(">BxIIBB", P_DATA_TF, size + 6, size + 2, context_id, header)


def _element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def _encoded(tag: int, value: int | str) -> bytes:
    """Return a value with its padding: a blank for AE and LO, NUL for UI (PS3.5 6.2)."""
    if isinstance(value, int):
        return struct.pack("<H", value)
    encoded = value.encode()
    padding = b" " if tag in (MOVE_DESTINATION, ERROR_COMMENT) else b"\0"
    return encoded + padding * (len(encoded) % 2)


def _elements(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(encoded):
        if start + 8 > len(encoded):
            raise Malformed("the peer sent a command set that ends within an element")
        group, element, length = struct.unpack_from("<HHI", encoded, start)
        end = start + 8 + length
        if end > len(encoded):
            raise Malformed(f"the peer sent a command set that ends within ({group:04X},{element:04X})")
        yield group << 16 | element, encoded[start + 8 : end]
        start = end

"""Decodes A-ASSOCIATE-RQ and -AC PDUs (PS3.8 9.3.2, 9.3.3). `provider` and the couriers call it.

Unrecognised items and sub-items are skipped (PS3.8 9.3.1, D.2), and so are sub-items that the gateway does
not use: implementation names are information only (PS3.7 D.3.3.2). A required item that cannot be decoded is
`Malformed`.

Private names of pynetdicom used here: `A_ASSOCIATE._called_ae_title`, `_calling_ae_title`; the public setters
reject titles that real peers send.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from gateway.peer_text import clean
from gateway.records import IMPLEMENTATION_CLASS_UID
from gateway.upper_layer.endings import Malformed

ASSUMED_MAXIMUM_LENGTH = 16384
"""Longest P-DATA-TF sent, in bytes, to a peer without Maximum Length, which PS3.8 D.1 requires."""

LONGEST_PDU_SENT = 128 * 1024
"""Longest P-DATA-TF sent, in bytes, to a peer that accepts longer ones or any length (0)."""

SHORTEST_USABLE_PDU = 7
"""Least usable length in bytes: the header of a presentation data value takes six (PS3.8 Table 9-23)."""

MAX_TRANSFER_SYNTAXES = 256
"""Limit on transfer syntaxes read from one context: PS3.6 defines about sixty."""

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
"""Name of DICOM's application context (PS3.7 A.2.1)."""

_NO_SYNTAX = UID(IMPLEMENTATION_CLASS_UID)  # a valid UID that is not a transfer syntax
_FIXED_BYTES = 68  # before the variable items
_NAMED_CONTEXT = 0x10
_PROPOSED_CONTEXT, _ANSWERED_CONTEXT, _USER_INFORMATION = 0x20, 0x21, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _ROLE_SELECTION = 0x51, 0x54
_ACCEPTANCE = 0
_UID_SYNTAX = re.compile(r"[0-9.]{1,64}")
_TITLE_SYNTAX = re.compile(r"[ -\[\]-~]{1,16}")  # PS3.5 6.2, AE: no backslash, no control


@dataclass(frozen=True, slots=True)
class Titles:
    """The AE titles of an A-ASSOCIATE PDU, without padding; other bytes than ASCII as escapes."""

    called: str
    calling: str


def is_title(text: str) -> bool:
    """Tell whether `text` is an AE title (PS3.5 Table 6.2-1)."""
    return _TITLE_SYNTAX.fullmatch(text) is not None


def titles_of(body: memoryview) -> Titles:
    """Return the titles without leading and trailing spaces (PS3.8 9.3.2) and NULs.

    Raises
    ------
    Malformed
        When the PDU is too short.
    """
    if len(body) < _FIXED_BYTES:
        raise Malformed(f"the peer sent an A-ASSOCIATE PDU of {len(body)} bytes; it needs {_FIXED_BYTES}")
    return Titles(_title(body[4:20]), _title(body[20:36]))


def protocol_version_of(body: memoryview) -> int:
    """Return the protocol version; only bit 0 is significant (PS3.8 Table 9-11)."""
    return int.from_bytes(body[:2], "big")


def application_context_of(body: memoryview) -> str | None:
    """Return the application context's name (PS3.8 9.3.2.1); None where the PDU has none.

    Raises
    ------
    Malformed
        When items exceed the PDU.
    """
    items = _items(body[_FIXED_BYTES:])
    name = next((item for kind, item in items if kind == _NAMED_CONTEXT), None)
    return None if name is None else clean(bytes(name[:80]).decode("ascii", "backslashreplace").rstrip(" \0"))


def request_of(body: memoryview) -> A_ASSOCIATE:
    """Return the primitive of an A-ASSOCIATE-RQ.

    A presentation context without a usable transfer syntax gets an unknown one, so that it is rejected with
    result 4 and the other contexts are answered as usual (PS3.8 9.3.3.2).

    Raises
    ------
    Malformed
        When items exceed the PDU, a context ID is even or used twice, or Maximum Length allows no data.
    """
    primitive = _primitive(body)
    contexts = [_proposed(item) for kind, item in _items(body[_FIXED_BYTES:]) if kind == _PROPOSED_CONTEXT]
    numbers = [context.context_id for context in contexts]
    if len(set(numbers)) != len(numbers):
        raise Malformed("the peer proposes two presentation contexts under one ID")
    primitive.presentation_context_definition_list = contexts
    return primitive


def _primitive(body: memoryview) -> A_ASSOCIATE:
    titles = titles_of(body)
    primitive = A_ASSOCIATE()
    primitive._called_ae_title, primitive._calling_ae_title = titles.called, titles.calling
    information = [item for kind, item in _items(body[_FIXED_BYTES:]) if kind == _USER_INFORMATION]
    sub_items = [each for item in information for each in _items(item)]
    length = MaximumLengthNotification()
    length.maximum_length_received = _maximum_length(
        [item for kind, item in sub_items if kind == _MAXIMUM_LENGTH]
    )
    roles = [_role(item) for kind, item in sub_items if kind == _ROLE_SELECTION]
    primitive.user_information = [length, *(role for role in roles if role)]
    return primitive


def _items(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield type and value of items or sub-items: type, reserved byte, length, value (PS3.8 9.3.1)."""
    offset = 0
    while offset < len(data):
        kind, length = struct.unpack_from(">BxH", data, offset) if len(data) - offset >= 4 else (None, 0)
        start, offset = offset + 4, offset + 4 + length
        if kind is None or offset > len(data):
            raise Malformed("the peer sent an A-ASSOCIATE PDU whose items do not fit into it")
        yield kind, data[start:offset]


def _proposed(item: memoryview) -> PresentationContext:
    context = PresentationContext()
    number = item[0] if len(item) >= 4 else 0
    if number % 2 == 0:
        raise Malformed(f"the peer proposes a presentation context with ID {number}; IDs are odd")
    context.context_id = number
    syntaxes = list(_items(item[4:]))
    abstract = [_uid(value) for kind, value in syntaxes if kind == _ABSTRACT_SYNTAX]
    context.abstract_syntax = abstract[0] if abstract else UID("")
    transfer = [_uid(value) for kind, value in syntaxes if kind == _TRANSFER_SYNTAX]
    usable = list(dict.fromkeys(each for each in transfer if each))[:MAX_TRANSFER_SYNTAXES]
    for syntax in usable or [_NO_SYNTAX]:
        context.add_transfer_syntax(syntax)
    return context


def _maximum_length(items: list[memoryview]) -> int:
    if not items:
        return ASSUMED_MAXIMUM_LENGTH
    length = int.from_bytes(items[0], "big")
    if len(items[0]) != 4 or 0 < length < SHORTEST_USABLE_PDU:
        raise Malformed(f"the peer takes PDUs of at most {length} bytes, which can carry no data")
    return min(length or LONGEST_PDU_SENT, LONGEST_PDU_SENT)


def _role(item: memoryview) -> SCP_SCU_RoleSelectionNegotiation | None:
    """Return an SCP/SCU Role Selection (PS3.7 D.3.3.4), or None where it cannot be decoded."""
    length = int.from_bytes(item[:2], "big")
    uid = _uid(item[2 : 2 + length])
    if len(item) < length + 4 or not uid:
        return None
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = uid
    role.scu_role, role.scp_role = bool(item[2 + length]), bool(item[3 + length])
    return role


def _title(field: memoryview) -> str:
    return clean(bytes(field).decode("ascii", "backslashreplace").strip(" \0"))


def _uid(value: memoryview) -> UID:
    """Return the UID without padding; empty, which equals no known UID, where the syntax is wrong."""
    text = bytes(value[:80]).decode("ascii", "replace").rstrip(" \0")
    return UID(text if _UID_SYNTAX.fullmatch(text) else "")

"""Encodes the A-ASSOCIATE-RQ and decodes the answers to it (PS3.8 9.3).

What the standard tells a requestor not to test, or to skip, is not looked at: titles and reserved fields of
an acceptance, unrecognised items (9.3.1), the version name (PS3.7 D.3.3.2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.peer_text import clean
from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.upper_layer.decoding import (
    APPLICATION_CONTEXT,
    ASSUMED_MAXIMUM_LENGTH,
    LONGEST_PDU_SENT,
    SHORTEST_USABLE_PDU,
)
from gateway.upper_layer.endings import Malformed, abort_cause, reject_reason

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
PDU_NAMES = {
    ASSOCIATE_RQ: "A-ASSOCIATE-RQ",
    ASSOCIATE_AC: "A-ASSOCIATE-AC",
    ASSOCIATE_RJ: "A-ASSOCIATE-RJ",
    P_DATA_TF: "P-DATA-TF",
    RELEASE_RQ: "A-RELEASE-RQ",
    RELEASE_RP: "A-RELEASE-RP",
    ABORT: "A-ABORT",
}

_FIXED_BYTES = 68  # of A-ASSOCIATE-RQ and -AC before their items: version, titles, reserved

ACCEPTANCE = 0  # PS3.8 Table 9-18, as the rest
_FOR_GOOD = {3: "abstract syntax not supported", 4: "transfer syntaxes not supported"}
_FOR_NOW = {1: "user rejection", 2: "no reason given"}

CALLED_NOT_RECOGNISED = (1, 7)  # source, reason (PS3.8 Table 9-21)
BUSY = {(3, 1), (3, 2)}  # temporary congestion, local limit exceeded


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context as it is proposed.

    Attributes
    ----------
    is_for_storage_here
        The node stores here over it, as C-GET demands: the gateway proposes the SCP role (PS3.7 D.3.3.4).
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    is_for_storage_here: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a proposed context; `transfer_syntax` is empty where none is named."""

    result: int | None
    transfer_syntax: str = ""

    def why_not(self, proposal: Proposal) -> str:
        """Return what keeps the context from being used; empty where it can be."""
        if self.result is None:
            return "not answered"
        if self.result != ACCEPTANCE:
            return (_FOR_GOOD | _FOR_NOW).get(self.result, f"result {self.result}")
        if not self.transfer_syntax:
            return "accepted without a transfer syntax"
        if self.transfer_syntax not in proposal.transfer_syntaxes:
            return f"accepted in {clean(self.transfer_syntax, 64)}, which was not proposed"
        return ""

    def is_usable(self, proposal: Proposal) -> bool:
        """Tell whether messages can be sent in the context."""
        return not self.why_not(proposal)

    @property
    def is_for_good(self) -> bool:
        """Tell whether the node says that it does not know the syntax: it will not tomorrow either."""
        return self.result in _FOR_GOOD


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Content of an A-ASSOCIATE-AC: the reply to each context, and the longest PDU to send."""

    replies: Mapping[int, Reply]
    longest_pdu: int = ASSUMED_MAXIMUM_LENGTH

    @classmethod
    def read(cls, content: bytes) -> Acceptance:
        """Read the PDU's content.

        Raises
        ------
        Malformed
            If it cannot be read, or its maximum length leaves no room for data.
        """
        replies: dict[int, Reply] = {}
        longest = ASSUMED_MAXIMUM_LENGTH
        for kind, body in _items(content[_FIXED_BYTES:]):
            if kind == 0x21:
                replies.setdefault(*_reply(body))
            elif kind == 0x50:
                longest = next((_longest(each) for sub, each in _items(body) if sub == 0x51), longest)
        return cls(replies, longest)


def associate_rq(called: str, calling: str, proposals: Mapping[int, Proposal], maximum_length: int) -> bytes:
    """Return the A-ASSOCIATE-RQ (PS3.8 9.3.2) that proposes each context under its ID."""
    fixed = struct.pack(">Hxx16s16s32x", 1, called.encode().ljust(16), calling.encode().ljust(16))
    contexts = [_proposed(context_id, proposal) for context_id, proposal in proposals.items()]
    user = [
        _item(0x51, struct.pack(">I", maximum_length)),
        _item(0x52, IMPLEMENTATION_CLASS_UID.encode()),
        *map(
            _role, sorted({each.abstract_syntax for each in proposals.values() if each.is_for_storage_here})
        ),
        _item(0x55, IMPLEMENTATION_VERSION_NAME.encode()),
    ]
    items = [_item(0x10, APPLICATION_CONTEXT.encode()), *contexts, _item(0x50, b"".join(user))]
    return pdu(ASSOCIATE_RQ, fixed + b"".join(items))


def rejection_in(content: bytes) -> tuple[tuple[int, int], str]:
    """Return source and reason of an A-ASSOCIATE-RJ, and both in words (PS3.8 9.3.4)."""
    if len(content) < 4:
        return (0, 0), "without a reason that can be read"
    _, source, reason = content[1:4]
    told = reject_reason(source, reason)
    return (source, reason), told[0].upper() + told[1:]


def abort_in(content: bytes) -> str:
    """Return in words that the peer aborted, and why (PS3.8 9.3.8)."""
    return abort_cause(*content[2:4]) if len(content) >= 4 else abort_cause(0, 0)


def pdu(kind: int, content: bytes = bytes(4)) -> bytes:
    """Return a PDU (PS3.8 9.3.1)."""
    return struct.pack(">BxI", kind, len(content)) + content


def _proposed(context_id: int, proposal: Proposal) -> bytes:
    syntaxes = [_item(0x40, each.encode()) for each in proposal.transfer_syntaxes]
    abstract = _item(0x30, proposal.abstract_syntax.encode())
    return _item(0x20, struct.pack(">Bxxx", context_id) + abstract + b"".join(syntaxes))


def _role(abstract_syntax: str) -> bytes:
    """Return an SCP/SCU Role Selection sub-item (PS3.7 Table D.3-9): not SCU, but SCP."""
    uid = abstract_syntax.encode()
    return _item(0x54, struct.pack(">H", len(uid)) + uid + b"\0\1")


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk items or sub-items. Unrecognised ones are for the caller to skip."""
    start = 0
    while start + 4 <= len(content):
        kind, length = struct.unpack_from(">BxH", content, start)
        end = start + 4 + length
        if end > len(content):
            raise Malformed(f"the peer sent an A-ASSOCIATE-AC that ends within an item of type 0x{kind:02X}")
        yield kind, content[start + 4 : end]
        start = end


def _reply(body: bytes) -> tuple[int, Reply]:
    if len(body) < 4:
        raise Malformed("the peer sent an A-ASSOCIATE-AC with a presentation context without result")
    syntaxes: Sequence[bytes] = [each for kind, each in _items(body[4:]) if kind == 0x40]
    return body[0], Reply(body[2], _uid(syntaxes[0]) if syntaxes else "")


def _longest(maximum_length: bytes) -> int:
    """Return how long a PDU we send, by the Maximum Length sub-item; 0 is no limit (PS3.8 D.1)."""
    if len(maximum_length) != 4:
        return ASSUMED_MAXIMUM_LENGTH
    length = int.from_bytes(maximum_length, "big")
    if 0 < length < SHORTEST_USABLE_PDU:
        raise Malformed(f"the peer takes PDUs of at most {length} bytes, which can carry no data")
    return min(length or LONGEST_PDU_SENT, LONGEST_PDU_SENT)


def _uid(encoded: bytes) -> str:
    return encoded.decode("latin-1").strip("\0 ")

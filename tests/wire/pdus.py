"""PDUs (PS3.8 9.3) and command sets (PS3.7 6.3) as bytes, correct unless the caller says otherwise.

Every function takes its parts as bytes, so that a test may put anything in the place of one of them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT_VR = b"1.2.840.10008.1.2"
EXPLICIT_VR = b"1.2.840.10008.1.2.1"

C_STORE_RQ, C_STORE_RSP, C_ECHO_RQ, C_ECHO_RSP = 0x0001, 0x8001, 0x0030, 0x8030
NO_DATA_SET, DATA_SET = 0x0101, 0x0001


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    """Return a PDU; `length` is what it claims to hold, its real length by default."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    """Return an item or sub-item of an A-ASSOCIATE PDU."""
    return struct.pack(">BxH", kind, len(body) if length is None else length) + body


def user_information(
    maximum_length: int | None = 16384,
    class_uid: bytes = b"1.2.3.4",
    version_name: bytes = b"PEER",
    extra: bytes = b"",
) -> bytes:
    """Return the User Information item (PS3.8 D.1, PS3.7 D.3.3); `extra` sub-items come last."""
    length = b"" if maximum_length is None else item(0x51, struct.pack(">I", maximum_length))
    return item(0x50, length + item(0x52, class_uid) + item(0x55, version_name) + extra)


def proposed_context(context_id: int, abstract_syntax: bytes, *transfer_syntaxes: bytes) -> bytes:
    """Return a presentation context item of an A-ASSOCIATE-RQ (PS3.8 9.3.2.2)."""
    syntaxes = b"".join(item(0x40, each) for each in transfer_syntaxes)
    return item(0x20, struct.pack(">Bxxx", context_id) + item(0x30, abstract_syntax) + syntaxes)


def answered_context(context_id: int, result: int, transfer_syntax: bytes = EXPLICIT_VR) -> bytes:
    """Return a presentation context item of an A-ASSOCIATE-AC (PS3.8 9.3.3.2)."""
    return item(0x21, struct.pack(">BxBx", context_id, result) + item(0x40, transfer_syntax))


def associate(
    kind: int,
    contexts: Sequence[bytes],
    *,
    called: bytes = b"CXR_GATEWAY",
    calling: bytes = b"PEER",
    user: bytes | None = None,
    extra: bytes = b"",
    version: int = 1,
    application_context: bytes = item(0x10, APPLICATION_CONTEXT),
) -> bytes:
    """Return an A-ASSOCIATE-RQ or -AC; titles shorter than 16 bytes are padded with spaces."""
    fixed = struct.pack(">Hxx16s16s32x", version, called.ljust(16), calling.ljust(16))
    items = (application_context, *contexts, extra, user_information() if user is None else user)
    return pdu(kind, fixed + b"".join(items))


def release_rq() -> bytes:
    return pdu(RELEASE_RQ, bytes(4))


def release_rp() -> bytes:
    return pdu(RELEASE_RP, bytes(4))


def abort(source: int = 0, reason: int = 0) -> bytes:
    return pdu(ABORT, struct.pack(">xxBB", source, reason))


def reject(result: int, source: int, reason: int) -> bytes:
    return pdu(ASSOCIATE_RJ, struct.pack(">xBBB", result, source, reason))


def p_data(context_id: int, fragment: bytes, *, command: bool, last: bool = True) -> bytes:
    """Return a P-DATA-TF PDU with one presentation data value (PS3.8 9.3.5, E.2)."""
    header = (1 if command else 0) | (2 if last else 0)
    value = struct.pack(">IBB", len(fragment) + 2, context_id, header) + fragment
    return pdu(P_DATA_TF, value)


def element(tag: int, value: bytes) -> bytes:
    """Return a data element in implicit VR little endian."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def uid(value: str) -> bytes:
    """Return a UID, padded to an even length by NUL (PS3.5 9.1)."""
    encoded = value.encode("ascii")
    return encoded + b"\0" * (len(encoded) % 2)


def us(value: int) -> bytes:
    return struct.pack("<H", value)


def command_set(*elements: bytes) -> bytes:
    """Return a command set with its group length (PS3.7 6.3.1)."""
    body = b"".join(elements)
    return element(0x00000000, struct.pack("<I", len(body))) + body


def elements_of(command: bytes) -> dict[int, bytes]:
    """Return the elements of a command set by their tags."""
    found = {}
    while command:
        group, number, length = struct.unpack_from("<HHI", command)
        found[group << 16 | number] = command[8 : 8 + length]
        command = command[8 + length :]
    return found


def c_store_rq(
    sop_class_uid: str,
    sop_instance_uid: str,
    message_id: int = 1,
    priority: int = 0,
    data_set: int = DATA_SET,
) -> bytes:
    return command_set(
        element(0x00000002, uid(sop_class_uid)),
        element(0x00000100, us(C_STORE_RQ)),
        element(0x00000110, us(message_id)),
        element(0x00000700, us(priority)),
        element(0x00000800, us(data_set)),
        element(0x00001000, uid(sop_instance_uid)),
    )


def response(
    command: int,
    message_id: int,
    status: int,
    *,
    sop_class_uid: str | None = None,
    sop_instance_uid: str | None = None,
    comment: bytes | None = None,
) -> bytes:
    """Return a response without data set; UIDs and Error Comment only where they are given."""
    parts = [] if sop_class_uid is None else [element(0x00000002, uid(sop_class_uid))]
    parts += [
        element(0x00000100, us(command)),
        element(0x00000120, us(message_id)),
        element(0x00000800, us(NO_DATA_SET)),
        element(0x00000900, us(status)),
    ]
    parts += [] if comment is None else [element(0x00000902, comment)]
    parts += [] if sop_instance_uid is None else [element(0x00001000, uid(sop_instance_uid))]
    return command_set(*parts)


def c_echo_rq(message_id: int = 1) -> bytes:
    return command_set(
        element(0x00000002, uid(VERIFICATION.decode())),
        element(0x00000100, us(C_ECHO_RQ)),
        element(0x00000110, us(message_id)),
        element(0x00000800, us(NO_DATA_SET)),
    )

"""Messages made of bytes: each row has its answer and its line, and the next peer is served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

import pytest

from tests.wire import pdus
from tests.wire.answered import ABORTED, DATA, DX, SUCCESS, UID, Rows, rq
from tests.wire.requestor import CLOSED


@dataclass(frozen=True)
class Within:
    """What is said within an association, what is heard, and the words of its line."""

    says: Iterable[bytes]
    hears: Sequence[str]
    why: str
    leaves: bool = False


def ends(reason: int, why: str, *says: bytes) -> Within:
    return Within(says, [f"aborted 2/{reason}", CLOSED], why)


def command(body: bytes, *, context_id: int = 3, last: bool = True) -> bytes:
    return pdus.p_data(context_id, body, command=True, last=last)


def data(body: bytes, *, context_id: int = 3, last: bool = True) -> bytes:
    return pdus.p_data(context_id, body, command=False, last=last)


def pdv(length: int, rest: bytes) -> bytes:
    return pdus.pdu(pdus.P_DATA_TF, length.to_bytes(4, "big") + rest)


STORE_RQ = command(pdus.c_store_rq(DX, UID))
C_FIND_RQ = pdus.command_set(
    pdus.element(0x00000002, pdus.uid(DX)),
    pdus.element(0x00000100, pdus.us(0x0020)),
    pdus.element(0x00000110, pdus.us(1)),
    pdus.element(0x00000700, pdus.us(0)),
    pdus.element(0x00000800, pdus.us(pdus.DATA_SET)),
)
C_ECHO_RQ = pdus.c_echo_rq()
VERIFICATION = pdus.element(0x00000002, pdus.uid(pdus.VERIFICATION.decode()))
REPORT_RQ = pdus.command_set(
    pdus.element(0x00000002, pdus.uid(DX)),
    pdus.element(0x00000100, pdus.us(0x0100)),
    pdus.element(0x00000110, pdus.us(1)),
    pdus.element(0x00000800, pdus.us(pdus.NO_DATA_SET)),
    pdus.element(0x00001000, pdus.uid("1.2.3")),
    pdus.element(0x00001002, pdus.us(1)),
)
NO_MESSAGE_ID = pdus.c_store_rq(DX, UID).replace(
    pdus.element(0x00000110, pdus.us(1)), pdus.element(0x00000110, b"")
)
NO_FIELD = pdus.command_set(pdus.element(0x00000800, pdus.us(pdus.NO_DATA_SET)))
PATIENT = b"\x10\0\x10\0\x04\0\0\0DOE "
WITHIN: dict[str, Within] = {
    "a second A-ASSOCIATE-RQ": ends(2, "A-ASSOCIATE-RQ within", rq()),
    "an A-ASSOCIATE-AC within": ends(2, "A-ASSOCIATE-AC within", pdus.associate(2, [])),
    "an A-RELEASE-RP that nobody asked for": ends(2, "A-RELEASE-RP within", pdus.release_rp()),
    "an unknown PDU type within": ends(1, "PDU of type 0x63", pdus.pdu(99, bytes(10))),
    "a claimed 4 GiB within": ends(6, "4294967295 bytes", pdus.pdu(4, b"", length=0xFFFFFFFF)),
    "a P-DATA-TF without value": ends(6, "without a presentation data value", pdus.pdu(4, b"")),
    "a value longer than its PDU": ends(6, "claims 999 bytes", pdv(999, b"\x03\x03hello")),
    "a value of 4 GiB": ends(6, "claims 4294967295 bytes", pdv(0xFFFFFFFF, b"\x03\x03hello")),
    "a value of one byte": ends(6, "claims 1 bytes", pdv(1, b"\x03\x03")),
    "a value of no bytes": ends(6, "claims 0 bytes", pdv(0, b"\x03\x03")),
    "half a value's header": ends(6, "ends within", pdus.pdu(4, b"\0\0\0")),
    "a context that was not accepted": ends(6, "context 77", command(b"x", context_id=77)),
    "two contexts in a message": ends(2, "two presentation contexts", STORE_RQ, data(b"x", context_id=1)),
    "data before a command": ends(2, "a command was expected", data(DATA)),
    "a command within the data": ends(2, "data set was expected", STORE_RQ, STORE_RQ),
    "a command set of 70 kB": ends(
        6, "command set of more than 65536", *(command(bytes(10_000), last=False) for _ in range(7))
    ),
    "a command set of a megabyte of elements": ends(
        6, "more than 65536", command(pdus.element(0x00001005, b"") * 100_000)
    ),
    "a command set of 101 elements": ends(
        6, "malformed command set", command(pdus.element(0x00000001, b"") * 101)
    ),
    "a command set of another group": ends(6, "malformed command set", command(PATIENT)),
    "a command set of nested sequences": ends(
        6, "malformed command set", command(b"\0\0\2\0\xff\xff\xff\xff" * 99)
    ),
    "a command set that ends within an element": ends(6, "ends within", command(b"\0\0\0")),
    "a command of an unknown kind": ends(
        6, "cannot be read", command(C_FIND_RQ.replace(b" \0", b"\x77\x77"))
    ),
    "a command of no kind": ends(6, "cannot be read", command(NO_FIELD)),
    "an empty command": ends(6, "cannot be read", command(b"")),
    "fragments of nothing, for ever": Within(
        repeat(command(b"", last=False), 5000), ["aborted 2/6", CLOSED], "empty fragments"
    ),
    "a C-FIND": Within([command(C_FIND_RQ), data(b"")], ["aborted 0/0", CLOSED], "C-FIND message"),
    "a C-ECHO for a storage class": Within(
        [command(C_ECHO_RQ.replace(VERIFICATION, pdus.element(2, pdus.uid(DX))))],
        ["aborted 0/0", CLOSED],
        "C-ECHO request for another SOP class",
    ),
    "a C-ECHO for a class that nobody knows": Within(
        [command(C_ECHO_RQ.replace(VERIFICATION, pdus.element(2, pdus.uid("1.2.3"))))],
        ["aborted 0/0", CLOSED],
        "C-ECHO request for another SOP class",
    ),
    "an N-EVENT-REPORT for a storage class": Within(
        [command(REPORT_RQ)], ["aborted 0/0", CLOSED], "N-EVENT-REPORT request for another SOP class"
    ),
    "a C-STORE without Message ID": Within(
        [command(NO_MESSAGE_ID), data(DATA)], ["aborted 0/0", CLOSED], "C-STORE request without"
    ),
    "an answer that nobody asked for": Within(
        [command(pdus.response(pdus.C_STORE_RSP, 1, 0))], ["aborted 0/0", CLOSED], "C-STORE"
    ),
    "an answer to a C-ECHO": Within(
        [command(pdus.response(pdus.C_ECHO_RSP, 1, 0), context_id=1)], ["aborted 0/0", CLOSED], "C-ECHO"
    ),
    "a release within a message": Within(
        [STORE_RQ, data(DATA[:100], last=False), pdus.release_rq()],
        ["released", CLOSED],
        "released the association within a message",
    ),
    "a release within a command set": Within(
        [command(pdus.c_store_rq(DX, UID)[:20], last=False), pdus.release_rq()],
        ["released", CLOSED],
        "released the association within a message",
    ),
    "a second A-ASSOCIATE-RQ within a message": ends(2, "A-ASSOCIATE-RQ within", STORE_RQ, rq()),
    "an A-ABORT of 5 kB": Within([pdus.pdu(7, bytes(5000))], [CLOSED], "the peer aborted"),
    "a P-DATA-TF without value within a message": ends(
        6, "without a presentation", STORE_RQ, pdus.pdu(4, b"")
    ),
    "an A-ABORT within a message": Within([STORE_RQ, pdus.abort()], [CLOSED], "the peer aborted"),
    "an A-ABORT of the provider": Within([pdus.abort(2, 6)], [CLOSED], "invalid PDU parameter value"),
    "an A-ABORT of nothing": Within([pdus.pdu(7, b"")], [CLOSED], "the peer aborted"),
    "leaving within a message": Within([STORE_RQ], [CLOSED], "within a message", leaves=True),
    "leaving within a PDU": Within([STORE_RQ[:9]], [CLOSED], "within a PDU", leaves=True),
    "leaving without a release": Within([], [CLOSED], "without releasing", leaves=True),
}


@pytest.mark.parametrize("row", WITHIN)
def test_what_has_no_place_in_an_association_ends_it_with_a_line(rows: Rows, row: str) -> None:
    expected = WITHIN[row]
    with rows.associated(row) as peer:
        peer.say(expected.says)
        if expected.leaves:
            peer.socket.shutdown(1)
        assert peer.hear_all() == list(expected.hears)
    rows.assert_told(row, ABORTED, expected.why)
    rows.assert_next_is_served()


# --- odd messages that are served


def values(*parts: bytes, is_command: bool = False) -> bytes:
    """Return one P-DATA-TF with a value for each part."""
    control = 1 if is_command else 0
    lasts = [control] * (len(parts) - 1) + [control | 2]
    encoded = zip(parts, lasts, strict=True)
    body = b"".join((len(each) + 2).to_bytes(4, "big") + bytes([3, last]) + each for each, last in encoded)
    return pdus.pdu(pdus.P_DATA_TF, body)


def split(whole: bytes, size: int) -> list[bytes]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


SERVED: dict[str, Sequence[bytes]] = {
    "a priority that does not exist": [command(pdus.c_store_rq(DX, UID, priority=7)), data(DATA)],
    "command and data in one PDU": [
        pdus.pdu(4, command(pdus.c_store_rq(DX, UID))[6:] + data(DATA)[6:]),
    ],
    "a thousand values in a PDU": [STORE_RQ, values(*split(DATA, len(DATA) // 999))],
    "values of one byte": [
        *(command(bytes([each]), last=False) for each in pdus.c_store_rq(DX, UID)),
        command(b""),
        *(data(bytes([each]), last=False) for each in DATA[:2000]),
        data(DATA[2000:]),
    ],
    "empty values between": [STORE_RQ, *repeat(data(b"", last=False), 900), data(DATA)],
    "reserved bits of a control header": [
        STORE_RQ,
        pdus.pdu(4, (len(DATA) + 2).to_bytes(4, "big") + b"\x03\xfe" + DATA),
    ],
    "an empty last value": [STORE_RQ, data(DATA, last=False), data(b"")],
    "a command set with unknown elements": [
        command(pdus.c_store_rq(DX, UID) + pdus.element(0x00005110, b"1 ")),
        data(DATA),
    ],
}


@pytest.mark.parametrize("row", SERVED)
def test_an_odd_message_is_served(rows: Rows, row: str) -> None:
    with rows.associated(row) as peer:
        peer.say(b"".join(SERVED[row]))
        assert peer.hear_response().status == SUCCESS
        peer.say(pdus.release_rq())
        assert peer.hear_all() == ["released", CLOSED]
    rows.assert_told(row, None, "")


ROWS = [*WITHIN, *SERVED]


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(ROWS) == len(set(ROWS)) >= 40

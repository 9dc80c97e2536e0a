"""Requestors made of bytes: how each row is answered, which line tells of it, and that the next is served.

Every row comes from an address of its own, by which its line is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from tests.support.gateway_process import wait_for
from tests.support.receiving import Receiver, data_set_of, receiving
from tests.support.sources import dx, encoded
from tests.wire import pdus
from tests.wire.requestor import CLOSED, Requestor

SUCCESS = 0x0000
IMAGE = dx()
DX = str(IMAGE.SOPClassUID)
UID = str(IMAGE.SOPInstanceUID)
DATA = data_set_of(encoded(IMAGE, ExplicitVRLittleEndian))

ECHO = pdus.proposed_context(1, pdus.VERIFICATION, pdus.IMPLICIT_VR)
STORE = pdus.proposed_context(3, DX.encode(), pdus.EXPLICIT_VR)
REJECTED, ABORTED = "association_rejected", "association_aborted"


def rq(*contexts: bytes, **changed: object) -> bytes:
    """Return an A-ASSOCIATE-RQ, good but for what is changed."""
    return pdus.associate(pdus.ASSOCIATE_RQ, contexts or (ECHO, STORE), **changed)  # type: ignore[arg-type]


def user(**changed: object) -> bytes:
    return pdus.user_information(**changed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("receiver")) as running:
        yield running


def source_of(row: str) -> str:
    """Return the address that a row comes from."""
    return f"127.1.{ROWS.index(row) // 250}.{ROWS.index(row) % 250 + 1}"


def lines_of(receiver: Receiver, row: str) -> list[tuple[str, str]]:
    """Return the events that tell of refused or ended connections of a row."""
    about = [entry for entry in list(receiver.log) if entry.get("peer_address") == source_of(row)]
    return [(each["event"], each["why"]) for each in about if each["event"] in (REJECTED, ABORTED)]


def assert_told(receiver: Receiver, row: str, event: str | None, why: str) -> None:
    """See that exactly one line tells of the row, or none."""
    if event is not None:
        wait_for(lambda: lines_of(receiver, row))
    told = lines_of(receiver, row)
    assert [each for each, _ in told] == ([event] if event else [])
    assert all(why in each for _, each in told)


def assert_next_is_served(receiver: Receiver) -> None:
    """See that an honest C-ECHO and C-STORE succeed."""
    with Requestor(receiver.address) as honest:
        honest.say(rq())
        assert str(honest.hear()) == "accepted"
        assert honest.ask(1, pdus.c_echo_rq()) == SUCCESS
        assert honest.ask(3, pdus.c_store_rq(DX, UID), DATA) == SUCCESS
        honest.say(pdus.release_rq())
        assert str(honest.hear()) == "released"


# --- requests that are accepted, however odd

ACCEPTED: dict[str, bytes] = {
    "called title padded with NUL": rq(called=b"CXR_GATEWAY\0\0\0\0\0"),
    "calling title padded with NUL and spaces": rq(calling=b"PACS\0  \0"),
    "leading spaces": rq(called=b"  CXR_GATEWAY", calling=b"   PACS"),
    "version name of 40 characters": rq(user=user(version_name=b"V" * 40)),
    "version name with NUL": rq(user=user(version_name=b"OEM_1\0")),
    "version name not ASCII": rq(user=user(version_name=b"K\xd6LN")),
    "empty version name": rq(user=user(version_name=b"")),
    "implementation class that is no UID": rq(user=user(class_uid=b"hello")),
    "unrecognised item": rq(extra=pdus.item(0x60, b"hello")),
    "unrecognised sub-item": rq(user=user(extra=pdus.item(0x99, b"\xff" * 9))),
    "60 kB of unrecognised sub-items": rq(user=user(extra=pdus.item(0x99, b"") * 15_000)),
    "100 kB of unrecognised items": rq(extra=pdus.item(0x60, bytes(50_000)) * 2),
    "user identity of a type that does not exist": rq(
        user=user(extra=pdus.item(0x58, b"\x09\x01\x00\x01a\x00\x00"))
    ),
    "role selection that cannot be read": rq(user=user(extra=pdus.item(0x54, b"\xff\xff1"))),
    "roles of neither kind": rq(user=user(extra=pdus.item(0x54, b"\x00\x031.2\x00\x00"))),
    "asynchronous operations": rq(user=user(extra=pdus.item(0x53, bytes(4)))),
    "protocol versions 1 and 2": rq(version=3),
    "every protocol version": rq(version=0xFFFF),
    "no user information": rq(user=b""),
    "empty user information": rq(user=pdus.item(0x50, b"")),
    "no maximum length": rq(user=user(maximum_length=None)),
    "maximum length 0": rq(user=user(maximum_length=0)),
    "maximum length 7": rq(user=user(maximum_length=7)),
    "maximum length 4 GiB": rq(user=user(maximum_length=0xFFFFFFFF)),
    "context without transfer syntax": rq(ECHO, pdus.proposed_context(3, DX.encode())),
    "context with an empty transfer syntax": rq(ECHO, pdus.proposed_context(3, DX.encode(), b"")),
    "transfer syntax that is no UID": rq(ECHO, pdus.proposed_context(3, DX.encode(), b"\xff" * 300)),
    "context of nothing but its ID": rq(ECHO, pdus.item(0x20, b"\x03\0\0\0")),
    "abstract syntax of 66 characters": rq(ECHO, pdus.proposed_context(3, b"1" * 66, pdus.EXPLICIT_VR)),
    "abstract syntax that is not ASCII": rq(ECHO, pdus.proposed_context(3, b"1.\xe4", pdus.EXPLICIT_VR)),
    "128 contexts": rq(
        ECHO, *(pdus.proposed_context(number, DX.encode(), pdus.EXPLICIT_VR) for number in range(3, 257, 2))
    ),
    "context of a thousand transfer syntaxes": rq(
        ECHO, pdus.proposed_context(3, DX.encode(), *(b"1.2.%d" % number for number in range(1000)))
    ),
}


@pytest.mark.parametrize("row", ACCEPTED)
def test_an_odd_request_is_accepted_and_served(receiver: Receiver, row: str) -> None:
    with Requestor(receiver.address, source_of(row)) as peer:
        peer.say(ACCEPTED[row])
        assert str(peer.hear()) == "accepted"
        assert peer.ask(1, pdus.c_echo_rq()) == SUCCESS
        peer.say(pdus.release_rq())
        assert peer.hear_all() == ["released", CLOSED]
    assert_told(receiver, row, None, "")


def test_only_the_context_without_transfer_syntax_is_refused(receiver: Receiver) -> None:
    with Requestor(receiver.address) as peer:
        peer.say(rq(STORE, pdus.proposed_context(5, DX.encode())))
        answer = peer.hear()
        assert answer is not None
        items = answer.body[answer.body.index(b"\x21\0\0") :]
        results = {items[4]: items[6]}
        second = items[4 + int.from_bytes(items[2:4], "big") :]
        results[second[4]] = second[6]
    assert results == {3: 0, 5: 4}  # accepted; transfer syntaxes not supported (PS3.8 Table 9-18)


# --- requests that are not, and what is no request


@dataclass(frozen=True)
class Refused:
    """What is said first, what is answered, which event tells of it with which words."""

    says: bytes
    hears: Sequence[str]
    event: str | None
    why: str
    leaves: bool = False


def rejected(codes: str, **changed: object) -> Callable[[str], Refused]:
    return lambda why: Refused(rq(**changed), [f"rejected {codes}", CLOSED], REJECTED, why)


def aborted(says: bytes, reason: int, why: str) -> Refused:
    return Refused(says, [f"aborted 2/{reason}", CLOSED], REJECTED, why)


def context(number: int) -> bytes:
    return pdus.proposed_context(number, pdus.VERIFICATION, pdus.IMPLICIT_VR)


PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)
CLIENT_HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(194)
REFUSED: dict[str, Refused] = {
    "another called title": rejected("1/1/7", called=b"PACS")("called AE title is not the gateway's"),
    "called title with NUL and more": rejected("1/1/7", called=b"CXR_GATEWAY\0abcd")("called AE title"),
    "called title of spaces": rejected("1/1/7", called=b"")("called AE title is empty"),
    "calling title of spaces": rejected("1/1/3", calling=b"")("calling AE title is empty"),
    "calling title of NULs": rejected("1/1/3", calling=bytes(16))("calling AE title is empty"),
    "calling title not ASCII": rejected("1/1/3", calling=b"R\xf6NTGEN")("characters"),
    "calling title with a backslash": rejected("1/1/3", calling=b"PA\\CS")("characters"),
    "calling title with an escape": rejected("1/1/3", calling=b"PA\x1b[2JCS")("characters"),
    "calling title with a newline": rejected("1/1/3", calling=b"PA\nCS")("characters"),
    "protocol version 2": rejected("1/2/2", version=2)("protocol version 0x0002"),
    "protocol version 0": rejected("1/2/2", version=0)("protocol version 0x0000"),
    "even context ID": aborted(rq(context(2)), 6, "ID 2"),
    "context ID 0": aborted(rq(context(0)), 6, "ID 0"),
    "a context ID twice": aborted(rq(context(1), context(1)), 6, "under one ID"),
    "maximum length 6": aborted(rq(user=user(maximum_length=6)), 6, "at most 6 bytes"),
    "maximum length of two bytes": aborted(rq(user=pdus.item(0x50, pdus.item(0x51, b"\0\1"))), 6, "1 bytes"),
    "item longer than the PDU": aborted(rq(extra=pdus.item(0x60, b"", length=9000)), 6, "do not fit"),
    "sub-item longer than its item": aborted(rq(user=user(extra=b"\x99\0\xff\xff")), 6, "do not fit"),
    "half an item's header": aborted(rq(user=user() + b"\x60\0"), 6, "do not fit"),
    "an A-ASSOCIATE-RQ of no bytes": aborted(pdus.pdu(1, b""), 6, "it needs 68"),
    "an A-ASSOCIATE-RQ of 67 bytes": aborted(pdus.pdu(1, bytes(67)), 6, "it needs 68"),
    "a claimed 4 GiB": aborted(pdus.pdu(1, b"", length=0xFFFFFFFF), 6, "4294967295 bytes"),
    "a claimed megabyte": aborted(pdus.pdu(1, b"", length=1 << 20), 6, "1048576 bytes"),
    "an unknown PDU type": aborted(pdus.pdu(99, bytes(10)), 1, "PDU of type 0x63"),
    "a TLS ClientHello": aborted(CLIENT_HELLO, 1, "speaks TLS"),
    "an HTTP request": aborted(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1, "speaks HTTP"),
    "a PROXY header": aborted(b"PROXY TCP4 10.0.0.1 10.0.0.2 5 104\r\n" + rq(), 1, "PROXY"),
    "a binary PROXY header": aborted(PROXY_2 + rq(), 1, "PROXY"),
    "SSH": aborted(b"SSH-2.0-OpenSSH_9.2\r\n", 1, "speaks SSH"),
    "data": aborted(pdus.p_data(1, b"x", command=True), 2, "sent data before an association"),
    "an A-RELEASE-RQ": aborted(pdus.release_rq(), 2, "A-RELEASE-RQ before"),
    "an A-RELEASE-RP": aborted(pdus.release_rp(), 2, "A-RELEASE-RP before"),
    "an A-ASSOCIATE-AC": aborted(
        pdus.associate(2, [pdus.answered_context(1, 0)]), 2, "A-ASSOCIATE-AC before"
    ),
    "an A-ASSOCIATE-RJ": aborted(pdus.reject(1, 1, 1), 2, "A-ASSOCIATE-RJ before"),
    "an A-ABORT": Refused(pdus.abort(), [CLOSED], ABORTED, "the peer aborted"),
    "nothing": Refused(b"", [CLOSED], None, "", leaves=True),
    "a byte": Refused(b"\x01", [CLOSED], ABORTED, "within a PDU", leaves=True),
    "half an A-ASSOCIATE-RQ": Refused(rq()[:90], [CLOSED], ABORTED, "within a PDU", leaves=True),
}


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_no_request_is_refused_with_a_line(receiver: Receiver, row: str) -> None:
    expected = REFUSED[row]
    with Requestor(receiver.address, source_of(row)) as peer:
        peer.say(expected.says)
        if expected.leaves:
            peer.socket.shutdown(1)
        assert peer.hear_all() == list(expected.hears)
    assert_told(receiver, row, expected.event, expected.why)
    assert_next_is_served(receiver)


# --- within an association


@dataclass(frozen=True)
class Within:
    """What is said within an association; see `Refused`."""

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
    "an A-ABORT within a message": Within([STORE_RQ, pdus.abort()], [CLOSED], "the peer aborted"),
    "an A-ABORT of the provider": Within([pdus.abort(2, 6)], [CLOSED], "invalid PDU parameter value"),
    "an A-ABORT of nothing": Within([pdus.pdu(7, b"")], [CLOSED], "the peer aborted"),
    "leaving within a message": Within([STORE_RQ], [CLOSED], "within a message", leaves=True),
    "leaving within a PDU": Within([STORE_RQ[:9]], [CLOSED], "within a PDU", leaves=True),
    "leaving without a release": Within([], [CLOSED], "without releasing", leaves=True),
}


def associated(receiver: Receiver, row: str) -> Requestor:
    peer = Requestor(receiver.address, source_of(row))
    peer.say(rq())
    assert str(peer.hear()) == "accepted"
    return peer


@pytest.mark.parametrize("row", WITHIN)
def test_what_has_no_place_in_an_association_ends_it_with_a_line(receiver: Receiver, row: str) -> None:
    expected = WITHIN[row]
    with associated(receiver, row) as peer:
        peer.say(expected.says)
        if expected.leaves:
            peer.socket.shutdown(1)
        assert peer.hear_all() == list(expected.hears)
    assert_told(receiver, row, ABORTED, expected.why)
    assert_next_is_served(receiver)


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
    "an empty last value": [STORE_RQ, data(DATA, last=False), data(b"")],
    "a command set with unknown elements": [
        command(pdus.c_store_rq(DX, UID) + pdus.element(0x00005110, b"1 ")),
        data(DATA),
    ],
}


@pytest.mark.parametrize("row", SERVED)
def test_an_odd_message_is_served(receiver: Receiver, row: str) -> None:
    with associated(receiver, row) as peer:
        peer.say(b"".join(SERVED[row]))
        answer = peer.hear_message()
        assert answer is not None
        assert int.from_bytes(answer[0x0900], "little") == SUCCESS
        peer.say(pdus.release_rq())
        assert peer.hear_all() == ["released", CLOSED]
    assert_told(receiver, row, None, "")


ROWS = [*ACCEPTED, *REFUSED, *WITHIN, *SERVED]


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(ROWS) == len(set(ROWS)) >= 50

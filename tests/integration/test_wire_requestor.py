"""Association requests made of bytes: each row has its answer and its line, and the next peer is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tests.wire import pdus
from tests.wire.answered import ABORTED, DX, ECHO, REJECTED, STORE, SUCCESS, Rows, rq
from tests.wire.requestor import CLOSED, Requestor


def user(**changed: object) -> bytes:
    return pdus.user_information(**changed)  # type: ignore[arg-type]


ROLES = [(1, 0), (0, 1), (1, 1)]


def sized(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def role(uid: bytes, scu: int, scp: int) -> bytes:
    """Return an SCP/SCU Role Selection sub-item (PS3.7 D.3.3.4)."""
    return pdus.item(0x54, sized(uid) + bytes([scu, scp]))


def identity(kind: int, primary: bytes = b"user") -> bytes:
    """Return a User Identity sub-item that asks for an answer (PS3.7 D.3.3.7)."""
    return pdus.item(0x58, bytes([kind, 1]) + sized(primary) + sized(b"pass"))


def named(application_context: bytes) -> bytes:
    return pdus.item(0x10, application_context)


def context_of(number: int, *abstract_syntaxes: bytes) -> bytes:
    """Return a proposed context with any number of abstract syntaxes."""
    abstract = b"".join(pdus.item(0x30, each) for each in abstract_syntaxes)
    return pdus.item(0x20, bytes([number, 0, 0, 0]) + abstract + pdus.item(0x40, pdus.EXPLICIT_VR))


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
    "roles of a class that is not proposed": rq(user=user(extra=role(b"1.2.3.4", 1, 1))),
    "the role of a storage SCP": rq(user=user(extra=role(DX.encode(), 0, 1))),
    "three roles for one class": rq(user=user(extra=b"".join(role(DX.encode(), *each) for each in ROLES))),
    "two thousand roles": rq(user=user(extra=b"".join(role(b"1.2.%d" % n, 1, 1) for n in range(2000)))),
    "extended negotiation": rq(user=user(extra=pdus.item(0x56, sized(DX.encode()) + bytes(6)))),
    "extended negotiation of nothing": rq(user=user(extra=pdus.item(0x56, b""))),
    "extended negotiation of 60 kB": rq(user=user(extra=pdus.item(0x56, sized(DX.encode()) + bytes(60_000)))),
    "common extended negotiation that cannot be read": rq(user=user(extra=pdus.item(0x57, b"\0\xff1"))),
    **{f"user identity of type {kind}": rq(user=user(extra=identity(kind))) for kind in range(1, 6)},
    "user identity of nothing": rq(user=user(extra=pdus.item(0x58, b""))),
    "user identity of 64 kB": rq(user=user(extra=identity(2, b"u" * 65_000))),
    "user identity that cannot be read": rq(user=user(extra=pdus.item(0x58, b"\1\1\xff\xff1"))),
    "two user identities": rq(user=user(extra=identity(1) * 2)),
    "implementation class of 65 characters": rq(user=user(class_uid=b"1." + b"2" * 63)),
    "user information twice": rq(extra=user()),
    "no application context": rq(application_context=b""),
    "application context padded with NUL": rq(application_context=named(pdus.APPLICATION_CONTEXT + b"\0")),
    "application context twice": rq(application_context=named(pdus.APPLICATION_CONTEXT) * 2),
    "an abstract syntax too many": rq(ECHO, context_of(3, DX.encode(), pdus.VERIFICATION)),
    "context without abstract syntax": rq(ECHO, context_of(3)),
    "asynchronous operations without limit": rq(user=user(extra=pdus.item(0x53, b"\0\5\0\5"))),
    "asynchronous operations that cannot be read": rq(user=user(extra=pdus.item(0x53, b"\0"))),
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
def test_an_odd_request_is_accepted_and_served(rows: Rows, row: str) -> None:
    with rows.peer(row) as peer:
        peer.say(ACCEPTED[row])
        assert str(peer.hear()) == "accepted"
        assert peer.ask(1, pdus.c_echo_rq()).status == SUCCESS
        peer.say(pdus.release_rq())
        assert peer.hear_all() == ["released", CLOSED]
    rows.assert_told(row, None, "")


def test_only_the_context_without_transfer_syntax_is_refused(rows: Rows) -> None:
    with Requestor(rows.receiver.address) as peer:
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


def not_dicom(application_context: bytes) -> Refused:
    return rejected("1/1/2", application_context=application_context)(
        "the application context is not DICOM's"
    )


def aborted(says: bytes, reason: int, why: str) -> Refused:
    return Refused(says, [f"aborted 2/{reason}", CLOSED], REJECTED, why)


def context(number: int) -> bytes:
    return pdus.proposed_context(number, pdus.VERIFICATION, pdus.IMPLICIT_VR)


MEGABYTE = pdus.pdu(pdus.ASSOCIATE_RQ, rq()[6:] + pdus.item(0x60, bytes(65_000)) * 15)
PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)
CLIENT_HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(194)
REFUSED: dict[str, Refused] = {
    "another application context": rejected("1/1/2", application_context=named(b"1.2.3.4"))(
        "application context"
    ),
    "an empty application context": not_dicom(named(b"")),
    "64 kB of application context": rejected("1/1/2", application_context=named(b"1" * 65_535))(
        "application"
    ),
    "application context of escapes": not_dicom(named(b"\x1b[2J")),
    "an A-ASSOCIATE-RQ of 1 MB": aborted(
        pdus.pdu(1, rq()[6:] + pdus.item(0x60, bytes(65_000)) * 15), 6, "262144"
    ),
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
def test_what_is_no_request_is_refused_with_a_line(rows: Rows, row: str) -> None:
    expected = REFUSED[row]
    with rows.peer(row) as peer:
        peer.say(expected.says)
        if expected.leaves:
            peer.socket.shutdown(1)
        assert peer.hear_all() == list(expected.hears)
    rows.assert_told(row, expected.event, expected.why)
    rows.assert_next_is_served()


ROWS = [*ACCEPTED, *REFUSED]


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(ROWS) == len(set(ROWS)) >= 50

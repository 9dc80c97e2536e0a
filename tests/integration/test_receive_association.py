"""Who may associate, and peers that misbehave below DIMSE."""

from __future__ import annotations

import struct
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import repeat
from pathlib import Path
from select import select

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from gateway.dicom.statuses import Status
from gateway.upper_layer import messages, transport
from tests.support.gateway_process import wait_for
from tests.support.receiving import (
    A_ABORT,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    RawPeer,
    Receiver,
    assert_ended,
    c_store_command,
    p_data,
    pdu,
    receiving,
)
from tests.support.sources import dx

DX = dx().SOPClassUID
REJECTED_BODY = slice(1, 4)  # result, source, reason (PS3.8 9.3.4)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as running:
        yield running


def assert_serves(receiver: Receiver) -> None:
    """See that a well-behaved peer is served."""
    ae = AE("WELL_BEHAVED")
    ae.add_requested_context(Verification)
    assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY")
    assert assoc.send_c_echo().Status == Status.SUCCESS
    assoc.release()


# --- policy

LOCAL = {"ae_title": "KNOWN", "host": "127.0.0.1"}
ELSEWHERE = {"ae_title": "KNOWN", "host": "192.0.2.1"}


@pytest.mark.parametrize(
    ("peers", "called", "calling", "codes"),
    [
        ([], "CXR_GATEWAY", "ANYBODY", None),
        ([], "PACS", "ANYBODY", b"\x01\x01\x07"),
        ([LOCAL], "CXR_GATEWAY", "KNOWN", None),
        ([LOCAL], "CXR_GATEWAY", "UNKNOWN", b"\x01\x01\x03"),
        ([ELSEWHERE], "CXR_GATEWAY", "KNOWN", b"\x01\x01\x03"),
        ([LOCAL], "PACS", "UNKNOWN", b"\x01\x01\x07"),
    ],
)
def test_titles_and_addresses(
    tmp_path: Path, peers: list[dict[str, str]], called: str, calling: str, codes: bytes | None
) -> None:
    with receiving(tmp_path, peers=peers) as receiver, RawPeer(receiver.address) as peer:
        answer = peer.associate(DX, called=called, calling=calling)
        assert answer is not None
        assert answer[0] == (A_ASSOCIATE_RJ if codes else A_ASSOCIATE_AC)
        if codes:
            assert answer[1][REJECTED_BODY] == codes
            (entry,) = receiver.events("association_rejected")
            assert entry["why"]
            assert (entry["calling_ae_title"], entry["called_ae_title"]) == (calling, called)
        else:
            assert receiver.events("association_opened")[0]["calling_ae_title"] == calling


def test_too_many_associations(tmp_path: Path) -> None:
    with receiving(tmp_path, max_associations=1) as receiver, RawPeer(receiver.address) as first:
        first.associate(DX)
        with RawPeer(receiver.address) as second:
            answer = second.associate(DX)
        assert answer is not None
        assert (answer[0], answer[1][REJECTED_BODY]) == (A_ASSOCIATE_RJ, b"\x02\x03\x02")
        assert first.release() is not None
        assert_serves(receiver)


def test_too_many_associations_from_one_address(tmp_path: Path) -> None:
    with receiving(tmp_path, max_associations_per_peer=1) as receiver, RawPeer(receiver.address) as first:
        first.associate(DX, calling="ONE")
        with RawPeer(receiver.address) as second:  # another title, but the same machine
            answer = second.associate(DX, calling="TWO")
        assert answer is not None
        assert (answer[0], answer[1][REJECTED_BODY]) == (A_ASSOCIATE_RJ, b"\x02\x03\x02")
        (entry,) = receiver.events("association_rejected")
        assert "max_associations_per_peer" in entry["why"]
        with RawPeer(receiver.address, source="127.0.0.2") as elsewhere:
            answer = elsewhere.associate(DX)
        assert answer is not None
        assert answer[0] == A_ASSOCIATE_AC
        assert first.release() is not None
        assert_serves(receiver)


def test_a_flood_of_bare_connections_is_bounded(tmp_path: Path) -> None:
    with receiving(tmp_path, max_associations=2) as receiver:
        peers = [RawPeer(receiver.address) for _ in range(12)]
        dropped, _, _ = select([peer.socket for peer in peers], [], [], 10)
        assert dropped
        for peer in peers:
            peer.__exit__()


def test_an_idle_association_is_aborted(tmp_path: Path) -> None:
    with receiving(tmp_path, idle_timeout_seconds=0.3) as receiver, RawPeer(receiver.address) as peer:
        peer.associate(DX)
        ending = peer.read_pdu()
        assert ending is not None
        assert ending[0] == A_ABORT


def test_a_connection_without_association_is_closed(tmp_path: Path) -> None:
    with receiving(tmp_path, idle_timeout_seconds=0.3) as receiver, RawPeer(receiver.address) as peer:
        assert peer.read_pdu() is None


# --- below DIMSE

INVALID_PARAMETER = 6  # reason of an A-ABORT by the service provider (PS3.8 Table 9-26)


def assert_aborted(peer: RawPeer, reason: int) -> None:
    """See that the gateway aborts, says why, and closes."""
    assert peer.read_pdu() == (A_ABORT, bytes([0, 0, 2, reason]))
    assert peer.read_pdu() is None


ABSURD_LENGTHS = [transport.MAX_PDU_BYTES + 1, 0xFFFFFFFF]


@pytest.mark.parametrize("length", ABSURD_LENGTHS)
def test_an_absurd_pdu_length_is_not_believed(receiver: Receiver, length: int) -> None:
    with RawPeer(receiver.address) as before, RawPeer(receiver.address) as during:
        before.send(struct.pack(">BBL", 1, 0, length))
        assert_aborted(before, INVALID_PARAMETER)
        during.associate(DX)
        during.send(struct.pack(">BBL", 4, 0, length) + bytes(1000))
        assert_aborted(during, INVALID_PARAMETER)
    assert len(receiver.events("association_rejected")) == len(receiver.events("association_aborted")) == 1
    assert_serves(receiver)


@pytest.mark.parametrize("associates", [False, True])
def test_a_claimed_4_gib_allocates_nothing(receiver: Receiver, associates: bool) -> None:
    with RawPeer(receiver.address) as peer:
        if associates:
            peer.associate(DX)
        tracemalloc.start()
        try:
            peer.send(struct.pack(">BBL", 4 if associates else 1, 0, 0xFFFFFFFF) + bytes(100_000))
            assert_aborted(peer, INVALID_PARAMETER)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2 * transport.MAX_PDU_BYTES


def trickle(peer: RawPeer, parts: Iterable[bytes]) -> None:
    """Send slowly, until the gateway has had enough."""
    with suppress(OSError):
        for part in parts:
            if select([peer.socket], [], [], 0.05)[0]:
                return
            peer.send(part)


def test_a_pdu_that_trickles_in_is_given_up(tmp_path: Path) -> None:
    with receiving(tmp_path, idle_timeout_seconds=0.3) as receiver, RawPeer(receiver.address) as peer:
        peer.associate(DX)
        peer.send(struct.pack(">BBL", 4, 0, 10_000))
        trickle(peer, repeat(b"\0"))
        assert peer.read_pdu() is None
        assert_serves(receiver)


def test_a_message_that_trickles_in_is_aborted(tmp_path: Path) -> None:
    with receiving(tmp_path, idle_timeout_seconds=0.3) as receiver, RawPeer(receiver.address) as peer:
        peer.associate(DX)
        peer.send(p_data(1, 3, c_store_command(DX, "1.2.3", True)))
        trickle(peer, repeat(p_data(1, 0, b"\0")))  # each in time, but slower than any modem
        ending = peer.read_pdu()
        assert ending is not None
        assert ending[0] == A_ABORT
        assert "slower" in receiver.events("association_aborted")[0]["why"]
        assert_serves(receiver)


def test_a_pdu_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    with receiving(tmp_path, idle_timeout_seconds=0.3) as receiver, RawPeer(receiver.address) as peer:
        peer.associate(DX)
        peer.send(struct.pack(">BBL", 4, 0, 10_000) + bytes(100))
        assert peer.read_pdu() is None
        assert_serves(receiver)


def test_a_message_that_does_not_end_is_aborted(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_MESSAGE_BYTES", 100_000)
    with RawPeer(receiver.address) as peer:
        peer.associate(DX)
        peer.send(p_data(1, 3, c_store_command(DX, "1.2.3", True)))
        for _ in range(3):
            peer.send(p_data(1, 0, bytes(50_000)))
        ending = peer.read_pdu()
        assert ending is not None
        assert ending[0] == A_ABORT
    assert_serves(receiver)


LAST_WORDS = {
    "nothing: a bare TCP probe": (False, b""),
    "a byte": (False, b"\x01"),
    "an HTTP request": (False, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "an A-ABORT before any association": (False, pdu(A_ABORT, bytes(4))),
    "half an A-ASSOCIATE-RQ": (False, struct.pack(">BBL", 1, 0, 200) + bytes(50)),
    "a malformed A-ASSOCIATE-RQ": (False, pdu(1, b"\xff" * 100)),
    "an A-ABORT": (True, pdu(A_ABORT, bytes(4))),
    "nothing after associating": (True, b""),
    "half a P-DATA": (True, struct.pack(">BBL", 4, 0, 60_000) + bytes(1000)),
    "half a data set": (True, p_data(1, 0, bytes(1000))),
    "an unknown PDU type": (True, pdu(99, bytes(10))),
    "an unknown context": (True, p_data(77, 3, bytes(10))),
}


@pytest.mark.parametrize(("associates", "last_words"), LAST_WORDS.values(), ids=LAST_WORDS)
def test_peers_that_vanish_leave_nothing(receiver: Receiver, associates: bool, last_words: bytes) -> None:
    assert receiver.rows() == []
    before, descriptors = set(threading.enumerate()), open_descriptors()
    for _ in range(5):
        with RawPeer(receiver.address) as peer:
            if associates:
                peer.associate(DX)
            peer.send(last_words)
    assert_serves(receiver)
    assert_ended(set(threading.enumerate()) - before)
    assert not open_descriptors() - descriptors
    assert receiver.rows() == []


def test_half_an_image_leaves_no_draft(receiver: Receiver) -> None:
    before = set(threading.enumerate())
    with RawPeer(receiver.address) as peer:
        peer.associate(DX)
        peer.send(p_data(1, 3, c_store_command(DX, "1.2.3", has_data_set=True)) + p_data(1, 0, bytes(1000)))
        wait_for(lambda: drafts(receiver))
    assert_ended(set(threading.enumerate()) - before)
    assert not drafts(receiver)


def drafts(receiver: Receiver) -> list[Path]:
    return list((receiver.spool.root / "incoming").iterdir())


@pytest.mark.parametrize(
    ("associations", "times"), [(20, 5), pytest.param(200, 50, marks=pytest.mark.nightly)]
)
@pytest.mark.timeout(900)
def test_associations_opened_and_aborted_leave_nothing(tmp_path: Path, associations: int, times: int) -> None:
    limits = {"max_associations": associations + 1, "max_associations_per_peer": associations + 1}
    with receiving(tmp_path, **limits) as receiver:
        assert_serves(receiver)
        before, descriptors = set(threading.enumerate()), open_descriptors()
        for _ in range(times):
            with ExitStack() as opened:
                peers = [opened.enter_context(associated(receiver)) for _ in range(associations)]
                for peer in peers:
                    peer.send(pdu(A_ABORT, bytes(4)))
            assert_ended(set(threading.enumerate()) - before)
        assert_serves(receiver)
        assert_ended(set(threading.enumerate()) - before)
        assert not open_descriptors() - descriptors
        assert sockets_of(receiver) == 0


def associated(receiver: Receiver) -> RawPeer:
    peer = RawPeer(receiver.address)
    answer = peer.associate(DX)
    assert answer is not None
    assert answer[0] == A_ASSOCIATE_AC
    return peer


def sockets_of(receiver: Receiver) -> int:
    """Count the gateway's ends of connections that are established or half closed (/proc/net/tcp)."""
    port = f":{receiver.address[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return len([row for row in rows if row[1].endswith(port) and row[3] not in (LISTEN, TIME_WAIT)])


LISTEN, TIME_WAIT = "0A", "06"


def open_descriptors() -> Counter[str]:
    """Return what this process has open; what earlier tests left may end at any time."""
    found: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found[str(descriptor.readlink())] += 1
    return found

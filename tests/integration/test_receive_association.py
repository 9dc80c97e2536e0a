"""Who may associate, and peers that misbehave below DIMSE."""

from __future__ import annotations

import errno
import os
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from itertools import repeat
from pathlib import Path
from select import select

import pytest
from pynetdicom import AE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.sop_class import Verification

from gateway.dicom.statuses import Status
from gateway.receive.acceptor import Acceptor
from gateway.upper_layer import messages, transport
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.receiving import Receiver, assert_ended, receiving
from tests.support.sources import dx
from tests.wire import pdus
from tests.wire.requestor import CLOSED, Requestor

DX = str(dx().SOPClassUID)
STORE_RQ = pdus.p_data(1, pdus.c_store_rq(DX, "1.2.3"), command=True)


def assert_serves(receiver: Receiver) -> None:
    """See that a well-behaved peer is served."""
    ae = AE("WELL_BEHAVED")
    ae.add_requested_context(Verification)
    assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY")
    assert assoc.send_c_echo().Status == Status.SUCCESS
    assoc.release()


NO_DESCRIPTOR = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
NO_THREAD = RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("module", "call", "error", "why"),
    [
        (os, "eventfd", NO_DESCRIPTOR, "no room for a connection: Too many open files"),
        (DULServiceProvider, "start", NO_THREAD, "no room for a connection: can't start new thread"),
        (Acceptor, "start", NO_THREAD, "the connection failed: can't start new thread"),
    ],
)
def test_a_connection_that_nothing_is_left_for_is_closed_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, call: str, error: Exception, why: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    with receiving(tmp_path) as receiver:
        with monkeypatch.context() as at_its_limit:
            at_its_limit.setattr(module, call, fail)
            with Requestor(receiver.address) as peer:
                assert peer.hear_all() == [CLOSED]
        wait_for(lambda: receiver.events("association_rejected"))
        assert [event["why"] for event in receiver.events("association_rejected")] == [why]
        assert not receiver.events("bug")
        assert_serves(receiver)


# --- policy

LOCAL = {"ae_title": "KNOWN", "host": "127.0.0.1"}
ELSEWHERE = {"ae_title": "KNOWN", "host": "192.0.2.1"}


@pytest.mark.parametrize(
    ("peers", "called", "calling", "answer"),
    [
        ([], "CXR_GATEWAY", "ANYBODY", "accepted"),
        ([], "PACS", "ANYBODY", "rejected 1/1/7"),
        ([LOCAL], "CXR_GATEWAY", "KNOWN", "accepted"),
        ([LOCAL], "CXR_GATEWAY", "UNKNOWN", "rejected 1/1/3"),
        ([ELSEWHERE], "CXR_GATEWAY", "KNOWN", "rejected 1/1/3"),
        ([LOCAL], "PACS", "UNKNOWN", "rejected 1/1/7"),
    ],
)
def test_titles_and_addresses(
    tmp_path: Path, peers: list[dict[str, str]], called: str, calling: str, answer: str
) -> None:
    with receiving(tmp_path, peers=peers) as receiver, Requestor(receiver.address) as peer:
        assert str(peer.associate(DX, called=called, calling=calling)) == answer
        if answer != "accepted":
            (entry,) = receiver.events("association_rejected")
            assert entry["why"]
            assert (entry["calling_ae_title"], entry["called_ae_title"]) == (calling, called)
        else:
            assert receiver.events("association_opened")[0]["calling_ae_title"] == calling


def test_too_many_associations(tmp_path: Path) -> None:
    with receiving(tmp_path, max_associations=1) as receiver, Requestor(receiver.address) as first:
        first.associate(DX)
        with Requestor(receiver.address) as second:
            assert str(second.associate(DX)) == "rejected 2/3/2"
        assert str(first.release()) == "released"
        assert_serves(receiver)


def test_too_many_associations_from_one_address(tmp_path: Path) -> None:
    with receiving(tmp_path, max_associations_per_peer=1) as receiver, Requestor(receiver.address) as first:
        first.associate(DX, calling="ONE")
        with Requestor(receiver.address) as second:  # another title, but the same machine
            assert str(second.associate(DX, calling="TWO")) == "rejected 2/3/2"
        (entry,) = receiver.events("association_rejected")
        assert "max_associations_per_peer" in entry["why"]
        with Requestor(receiver.address, source="127.0.0.2") as elsewhere:
            assert str(elsewhere.associate(DX)) == "accepted"
        assert str(first.release()) == "released"
        assert_serves(receiver)


def test_a_flood_of_bare_connections_is_bounded(tmp_path: Path) -> None:
    with receiving(tmp_path, max_associations=2) as receiver:
        peers = [Requestor(receiver.address) for _ in range(12)]
        dropped, _, _ = select([peer.socket for peer in peers], [], [], PATIENCE_SECONDS)
        assert dropped
        for peer in peers:
            peer.close()


# --- below DIMSE

INVALID_PARAMETER = ["aborted 2/6", CLOSED]  # by the service provider (PS3.8 Table 9-26)
ABSURD_LENGTHS = [transport.MAX_PDU_BYTES + 1, 0xFFFFFFFF]


@pytest.mark.parametrize("length", ABSURD_LENGTHS)
def test_an_absurd_pdu_length_is_not_believed(receiver: Receiver, length: int) -> None:
    with Requestor(receiver.address) as before, Requestor(receiver.address) as during:
        before.say(pdus.pdu(pdus.ASSOCIATE_RQ, b"", length))
        assert before.hear_all() == INVALID_PARAMETER
        during.associate(DX)
        during.say(pdus.pdu(pdus.P_DATA_TF, bytes(1000), length))
        assert during.hear_all() == INVALID_PARAMETER
    assert len(receiver.events("association_rejected")) == len(receiver.events("association_aborted")) == 1
    assert_serves(receiver)


@pytest.mark.parametrize("associates", [False, True])
def test_a_claimed_4_gib_allocates_nothing(receiver: Receiver, associates: bool) -> None:
    with Requestor(receiver.address) as peer:
        if associates:
            peer.associate(DX)
        tracemalloc.start()
        try:
            kind = pdus.P_DATA_TF if associates else pdus.ASSOCIATE_RQ
            peer.say(pdus.pdu(kind, bytes(100_000), length=0xFFFFFFFF))
            assert peer.hear_all() == INVALID_PARAMETER
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2 * transport.MAX_PDU_BYTES


def data(part: bytes) -> bytes:
    """Return a part of a data set that goes on."""
    return pdus.p_data(1, part, command=False, last=False)


def trickle(peer: Requestor, parts: Iterable[bytes]) -> None:
    """Send slowly, until the gateway has had enough."""
    for part in parts:
        if select([peer.socket], [], [], 0.05)[0]:
            return
        peer.say(part)


def test_a_message_that_trickles_in_is_aborted(tmp_path: Path) -> None:
    with receiving(tmp_path, idle_timeout_seconds=3) as receiver, Requestor(receiver.address) as peer:
        peer.associate(DX)
        peer.say(STORE_RQ)
        trickle(peer, repeat(data(b"\0")))  # each in time, but slower than any modem
        assert str(peer.hear()).startswith("aborted")
        assert "slower" in receiver.events("association_aborted")[0]["why"]
        assert_serves(receiver)


def test_a_message_that_does_not_end_is_aborted(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_MESSAGE_BYTES", 100_000)
    with Requestor(receiver.address) as peer:
        peer.associate(DX)
        peer.say(STORE_RQ)
        peer.say([data(bytes(50_000))] * 3)
        assert str(peer.hear()).startswith("aborted")
    assert_serves(receiver)


LAST_WORDS = {
    "nothing: a bare TCP probe": (False, b""),
    "a byte": (False, b"\x01"),
    "an HTTP request": (False, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "an A-ABORT before any association": (False, pdus.abort()),
    "half an A-ASSOCIATE-RQ": (False, pdus.pdu(pdus.ASSOCIATE_RQ, bytes(50), length=200)),
    "a malformed A-ASSOCIATE-RQ": (False, pdus.pdu(pdus.ASSOCIATE_RQ, b"\xff" * 100)),
    "an A-ABORT": (True, pdus.abort()),
    "nothing after associating": (True, b""),
    "half a P-DATA": (True, pdus.pdu(pdus.P_DATA_TF, bytes(1000), length=60_000)),
    "half a data set": (True, data(bytes(1000))),
    "an unknown PDU type": (True, pdus.pdu(99, bytes(10))),
    "an unknown context": (True, pdus.p_data(77, bytes(10), command=True)),
}


@pytest.mark.parametrize(("associates", "last_words"), LAST_WORDS.values(), ids=LAST_WORDS)
def test_peers_that_vanish_leave_nothing(receiver: Receiver, associates: bool, last_words: bytes) -> None:
    assert receiver.rows() == []
    before, descriptors = set(threading.enumerate()), open_descriptors()
    for _ in range(5):
        with Requestor(receiver.address) as peer:
            if associates:
                peer.associate(DX)
            peer.say(last_words)
    assert_serves(receiver)
    assert_ended(set(threading.enumerate()) - before)
    assert not open_descriptors() - descriptors
    assert receiver.rows() == []


def test_half_an_image_leaves_no_draft(receiver: Receiver) -> None:
    before = set(threading.enumerate())
    with Requestor(receiver.address) as peer:
        peer.associate(DX)
        peer.say(STORE_RQ + data(bytes(1000)))
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
                    peer.say(pdus.abort())
            assert_ended(set(threading.enumerate()) - before)
        assert_serves(receiver)
        assert_ended(set(threading.enumerate()) - before)
        assert not open_descriptors() - descriptors
        wait_for(lambda: sockets_of(receiver) == 0)


def associated(receiver: Receiver) -> Requestor:
    peer = Requestor(receiver.address)
    assert str(peer.associate(DX)) == "accepted"
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

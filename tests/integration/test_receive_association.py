"""Who may associate, and peers that misbehave below DIMSE."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from select import select

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from gateway.errors import ConfigurationError
from gateway.receive import listener
from gateway.receive.statuses import Status
from tests.receiving import (
    A_ABORT,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    RawPeer,
    Receiver,
    assert_ended,
    p_data,
    pdu,
    receiving,
)
from tests.sources import dx

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

ABSURD_LENGTHS = [listener.MAX_PDU_BYTES + 1, 0xFFFFFFFF]


@pytest.mark.parametrize("length", ABSURD_LENGTHS)
def test_an_absurd_pdu_length_is_not_believed(receiver: Receiver, length: int) -> None:
    with RawPeer(receiver.address) as before, RawPeer(receiver.address) as during:
        before.send(struct.pack(">BBL", 1, 0, length))
        assert before.read_pdu() is None
        during.associate(DX)
        during.send(struct.pack(">BBL", 4, 0, length) + bytes(1000))
        assert during.read_pdu() is None
    assert_serves(receiver)


def test_a_pdu_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    with receiving(tmp_path, idle_timeout_seconds=0.3) as receiver, RawPeer(receiver.address) as peer:
        peer.associate(DX)
        peer.send(struct.pack(">BBL", 4, 0, 10_000) + bytes(100))
        assert peer.read_pdu() is None
        assert_serves(receiver)


def test_a_message_that_does_not_end_is_aborted(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_MESSAGE_BYTES", 100_000)
    with RawPeer(receiver.address) as peer:
        peer.associate(DX)
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
    assert open_descriptors() == descriptors
    assert receiver.rows() == []


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    return {"certificate": str(certificate), "key": str(key)}


def client_context(certificate: dict[str, str], *, identified: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate["certificate"])
    if identified:
        context.load_cert_chain(certificate["certificate"], certificate["key"])
    return context


def test_mutual_tls(tmp_path: Path, certificate: dict[str, str]) -> None:
    tls = certificate | {"ca": certificate["certificate"]}
    with receiving(tmp_path, tls=tls) as receiver:
        ae = AE("MODALITY")
        ae.add_requested_context(Verification)
        tls_args = (client_context(certificate, identified=True), "127.0.0.1")
        with socket.create_connection(receiver.address):  # a silent probe: nobody waits for its handshake
            assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY", tls_args=tls_args)
        assert assoc.send_c_echo().Status == Status.SUCCESS
        assoc.release()


def test_a_peer_without_certificate_is_not_heard(tmp_path: Path, certificate: dict[str, str]) -> None:
    tls = certificate | {"ca": certificate["certificate"]}
    context = client_context(certificate, identified=False)
    with (
        receiving(tmp_path, tls=tls) as receiver,
        socket.create_connection(receiver.address, timeout=10) as connection,
        pytest.raises(ssl.SSLError, match="certificate required"),
        context.wrap_socket(connection, server_hostname="127.0.0.1") as peer,
    ):
        peer.recv(1)


def test_tls_files_that_cannot_be_used(tmp_path: Path, certificate: dict[str, str]) -> None:
    missing = certificate | {"key": str(tmp_path / "missing.pem")}
    with pytest.raises(ConfigurationError, match=r"scp\.tls"), receiving(tmp_path, tls=missing):
        pass

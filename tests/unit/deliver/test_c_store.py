"""Delivery by C-STORE to a peer that takes, refuses, aborts or is not there."""

import socket
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Comprehensive3DSRStorage, Verification

from gateway.deliver.c_store import StorageSCU, verdict_of
from gateway.deliver.outcome import Outcome, Verdict
from gateway.errors import Retry
from gateway.requestor.storage_scu import DicomNode, echo
from gateway.settings import DicomDestination
from gateway.store.entries import PendingDelivery
from tests.support.free_ports import free_port
from tests.support.pending import pending_object
from tests.support.storage_peer import StoragePeer, storage_peer


@pytest.fixture
def pending(tmp_path: Path) -> list[PendingDelivery]:
    """Three objects that wait for delivery."""
    return [pending_object(tmp_path, number) for number in (1, 2, 3)]


def deliver(peer: StoragePeer, pending: list[PendingDelivery], ae_title: str = "PACS") -> list[Outcome]:
    destination = DicomDestination(
        name="pacs", kind="dicom", ae_title=ae_title, host=peer.host, port=peer.port, timeout_seconds=60
    )
    return list(StorageSCU(destination, "CXR_GATEWAY").deliver(pending))


def test_everything_goes_over_one_association(pending: list[PendingDelivery]) -> None:
    with storage_peer() as peer:
        outcomes = deliver(peer, pending)
        assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 3
        assert peer.received == [delivery.sop_instance_uid for delivery in pending]
        assert peer.associations == 1


def test_a_peer_that_takes_only_implicit_vr_gets_it(pending: list[PendingDelivery]) -> None:
    with storage_peer(transfer_syntax=ImplicitVRLittleEndian) as peer:
        assert {outcome.verdict for outcome in deliver(peer, pending)} == {Verdict.DELIVERED}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict.DELIVERED),
        (0xB000, Verdict.DELIVERED),
        (0xA700, Verdict.LATER),
        (0x0110, Verdict.LATER),
        (0x0111, Verdict.DELIVERED),
        (0xA900, Verdict.NEVER),
        (0xC000, Verdict.NEVER),
        (0x0117, Verdict.NEVER),
        (0x0122, Verdict.NEVER),
    ],
)
def test_a_status_means(status: int, verdict: Verdict) -> None:
    assert verdict_of(status) is verdict


def test_one_refused_object_harms_no_other(pending: list[PendingDelivery]) -> None:
    refused = pending[1].sop_instance_uid
    with storage_peer(lambda uid: 0xC123 if uid == refused else 0x0000) as peer:
        outcomes = deliver(peer, pending)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED, Verdict.NEVER, Verdict.DELIVERED]
    assert outcomes[1].error == "status 0xC123"


def test_what_an_abort_left_is_for_later(pending: list[PendingDelivery]) -> None:
    aborting = pending[1].sop_instance_uid
    with storage_peer(lambda uid: None if uid == aborting else 0x0000) as peer:
        outcomes = deliver(peer, pending)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED, Verdict.LATER, Verdict.AWAY]


def test_a_peer_without_the_sop_class_never_takes_it(pending: list[PendingDelivery]) -> None:
    with storage_peer(sop_classes=(Verification, Comprehensive3DSRStorage)) as peer:
        outcomes = deliver(peer, pending)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.NEVER}
    assert "presentation context" in str(outcomes[0].error)


def test_a_rejection_is_for_later_and_says_why(pending: list[PendingDelivery]) -> None:
    with storage_peer() as peer:
        outcomes = deliver(peer, pending, ae_title="OTHER")
    assert {outcome.verdict for outcome in outcomes} == {Verdict.AWAY}
    assert "Called AE title not recognised" in str(outcomes[0].error)


def test_nobody_there_is_for_later(pending: list[PendingDelivery]) -> None:
    outcomes = deliver(StoragePeer("127.0.0.1", free_port()), pending)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.AWAY}
    assert "nothing answers there" in str(outcomes[0].error)


def test_echo() -> None:
    with storage_peer() as peer:
        echo(DicomNode("PACS", peer.host, peer.port, "CXR_GATEWAY", 5))
        with pytest.raises(Retry, match="not recognised"):
            echo(DicomNode("OTHER", peer.host, peer.port, "CXR_GATEWAY", 5))


@pytest.mark.parametrize("host", ["nowhere.invalid", "two..dots"])
def test_a_host_that_is_not_known_is_for_later(host: str) -> None:
    with pytest.raises(Retry, match="the host is not known"):
        echo(DicomNode("PACS", host, 104, "CXR_GATEWAY", 5))


@pytest.mark.parametrize("first", ["127.0.0.2", "::1"])
def test_each_address_of_a_host_is_tried(
    pending: list[PendingDelivery], monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    with storage_peer() as peer:
        resolve_to(monkeypatch, first, "127.0.0.1")
        assert {outcome.verdict for outcome in deliver(peer, pending)} == {Verdict.DELIVERED}


def test_each_address_that_does_not_answer_is_named(
    pending: list[PendingDelivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = StoragePeer("127.0.0.1", free_port())
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    told = str(deliver(peer, pending)[0].error)
    assert "nothing answers there (127.0.0.2: connection refused; 127.0.0.1: connection refused)" in told


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every host name have these addresses."""
    found = socket.getaddrinfo

    def resolve(_: str, port: int, **how: int) -> list[tuple[object, ...]]:
        return [entry for address in addresses for entry in found(address, port, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_a_result_that_cannot_be_read_harms_no_other(pending: list[PendingDelivery]) -> None:
    pending[0].path.unlink()
    pending[1].path.write_bytes(b"overwritten")
    with storage_peer() as peer:
        verdicts = {outcome.delivery.id: outcome.verdict for outcome in deliver(peer, pending)}
    assert [verdicts[each.id] for each in pending] == [Verdict.LATER, Verdict.NEVER, Verdict.DELIVERED]

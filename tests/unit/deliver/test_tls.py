"""Delivery over TLS: by C-STORE, by STOW-RS and by MLLP; certificates on both sides, and bad ones."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.configuration.settings_file import load_settings
from gateway.deliver.c_store import StorageSCU
from gateway.deliver.hl7 import MessageReceiver
from gateway.deliver.outcome import Outcome, Verdict
from gateway.deliver.stow import StowClient
from gateway.errors import ConfigurationError
from gateway.settings import ClientTLS, DicomDestination, HL7Destination, StowDestination
from gateway.store.entries import PendingDelivery
from tests.support.certificates import Authority, Certificate
from tests.support.messages import delivery_of, message
from tests.support.pending import pending_object
from tests.support.storage_peer import storage_peer
from tests.wire.mllp_server import mllp_server, say
from tests.wire.stow_server import STORES, stow_server


@pytest.fixture(scope="module")
def pacs(authority: Authority) -> Certificate:
    return authority.sign("pacs")


@pytest.fixture(scope="module")
def gateway(authority: Authority) -> Certificate:
    return authority.sign("gateway")


@pytest.fixture
def pending(tmp_path: Path) -> list[PendingDelivery]:
    """One object that waits for delivery."""
    return [pending_object(tmp_path)]


def asking(shown: Certificate, authority: Authority) -> ssl.SSLContext:
    """A server's side that asks for certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def by_c_store(port: int, tls: dict[str, str], pending: list[PendingDelivery]) -> Outcome:
    node = DicomDestination(
        name="pacs", kind="dicom", ae_title="PACS", host="127.0.0.1", port=port, timeout_seconds=60,
        tls=ClientTLS.model_validate(tls),
    )  # fmt: skip
    (outcome,) = StorageSCU(node, "CXR_GATEWAY").deliver(pending)
    return outcome


def by_stow(port: int, tls: dict[str, str], pending: list[PendingDelivery]) -> Outcome:
    url = f"https://127.0.0.1:{port}/dicom-web"
    web = StowDestination.model_validate(
        {"name": "web", "kind": "stow", "url": url, "timeout_seconds": 60} | tls
    )
    (outcome,) = StowClient(web).deliver(pending)
    return outcome


def by_mllp(port: int, tls: dict[str, str], folder: Path) -> Outcome:
    ris = HL7Destination(
        name="ris",
        kind="hl7",
        host="127.0.0.1",
        port=port,
        timeout_seconds=60,
        tls=ClientTLS.model_validate(tls),
    )
    (outcome,) = MessageReceiver(ris).deliver([delivery_of(message(), folder)])
    return outcome


def test_by_c_store(
    authority: Authority, pacs: Certificate, gateway: Certificate, pending: list[PendingDelivery]
) -> None:
    with storage_peer(tls=asking(pacs, authority)) as peer:
        outcome = by_c_store(peer.port, {"ca": str(authority.ca), **gateway.files}, pending)
        assert outcome.verdict is Verdict.DELIVERED
        assert peer.received == [pending[0].sop_instance_uid]


def test_by_stow(
    authority: Authority, pacs: Certificate, gateway: Certificate, pending: list[PendingDelivery]
) -> None:
    with stow_server(STORES, tls=asking(pacs, authority)) as server:
        outcome = by_stow(server.port, {"ca": str(authority.ca), **gateway.files}, pending)
        assert outcome.verdict is Verdict.DELIVERED
        assert pending[0].path.read_bytes() in server.posts[0].body


def test_by_mllp(authority: Authority, pacs: Certificate, gateway: Certificate, tmp_path: Path) -> None:
    with mllp_server(say("AA"), tls=asking(pacs, authority)) as server:
        outcome = by_mllp(server.port, {"ca": str(authority.ca), **gateway.files}, tmp_path)
        assert outcome.verdict is Verdict.DELIVERED
        assert len(server.messages) == 1


@pytest.fixture(
    params=["expired", "another name", "another authority", "none of ours", "ours expired", "ours of another"]
)
def bad(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    authority: Authority,
    pacs: Certificate,
    gateway: Certificate,
) -> Iterator[tuple[ssl.SSLContext, dict[str, str], str]]:
    """What the server shows and asks, what the gateway is given, and what is to be said."""
    ca, other = {"ca": str(authority.ca)}, Authority(tmp_path / "other")
    match request.param:
        case "expired":
            old = authority.sign("old", days=-1)
            yield asking(old, authority), ca | gateway.files, "certificate has expired"
        case "another name":
            elsewhere = authority.sign("elsewhere", host="subjectAltName=IP:192.0.2.1")
            yield asking(elsewhere, authority), ca | gateway.files, "IP address mismatch"
        case "another authority":
            stranger = asking(other.sign("stranger"), authority)
            yield stranger, ca | gateway.files, "unable to get local issuer certificate"
        case "none of ours":
            yield asking(pacs, authority), ca, "asks for a certificate of ours"
        case "ours expired":
            expired = authority.sign("ours", days=-1).files
            yield asking(pacs, authority), ca | expired, "our certificate has expired"
        case "ours of another":
            unknown = other.sign("ours").files
            yield asking(pacs, authority), ca | unknown, "does not trust our certificate"


Bad = tuple[ssl.SSLContext, dict[str, str], str]


def test_a_bad_certificate_is_named_by_c_store(bad: Bad, pending: list[PendingDelivery]) -> None:
    context, tls, words = bad
    with storage_peer(tls=context) as peer:
        outcome = by_c_store(peer.port, tls, pending)
        assert outcome.verdict is Verdict.AWAY
        assert words in str(outcome.error)
        assert not peer.received


def test_a_bad_certificate_is_named_by_stow(bad: Bad, pending: list[PendingDelivery]) -> None:
    context, tls, words = bad
    with stow_server(STORES, tls=context) as server:
        outcome = by_stow(server.port, tls, pending)
        assert outcome.verdict is not Verdict.DELIVERED
        told = str(outcome.error)
        ours = "our" in words  # the server's own log says more
        assert words in told or (ours and ("have refused our certificate" in told or "alert" in told)), told
        assert not server.posts


def test_a_bad_certificate_is_named_by_mllp(bad: Bad, tmp_path: Path) -> None:
    context, tls, words = bad
    with mllp_server(say("AA"), tls=context) as server:
        outcome = by_mllp(server.port, tls, tmp_path)
        assert outcome.verdict is not Verdict.DELIVERED
        told = str(outcome.error)
        ours = "our" in words  # with TLS 1.3 the refusal comes while the message is sent
        assert words in told or (ours and "have refused our certificate" in told), told
        assert not server.messages


def test_a_renewed_certificate_counts_from_the_next_association(
    tmp_path: Path,
    authority: Authority,
    pacs: Certificate,
    gateway: Certificate,
    pending: list[PendingDelivery],
) -> None:
    old = authority.sign("old", days=-1)
    ours = {"certificate": str(tmp_path / "ours.pem"), "key": str(tmp_path / "ours.key")}
    with storage_peer(tls=asking(pacs, authority)) as peer:
        verdicts = []
        for made in (old, gateway):
            shutil.copy(made.certificate, ours["certificate"])
            shutil.copy(made.key, ours["key"])
            verdicts.append(by_c_store(peer.port, {"ca": str(authority.ca), **ours}, pending).verdict)
    assert verdicts == [Verdict.AWAY, Verdict.DELIVERED]


def test_a_file_that_is_missing_is_for_later(
    tmp_path: Path, authority: Authority, pending: list[PendingDelivery]
) -> None:
    missing = {"certificate": str(tmp_path / "none.pem"), "key": str(tmp_path / "none.key")}
    outcome = by_c_store(1, {"ca": str(authority.ca), **missing}, pending)
    assert outcome.verdict is Verdict.AWAY
    assert "cannot be used" in str(outcome.error)
    outcome = by_stow(1, {"ca": str(authority.ca), **missing}, pending)
    assert outcome.verdict is Verdict.AWAY
    assert "none.pem" in str(outcome.error)


@pytest.mark.parametrize(
    "destination",
    [
        "{name: pacs, kind: dicom, ae_title: PACS, host: h, port: 104, tls: {certificate: c.pem}}",
        "{name: web, kind: stow, url: 'https://h', key: c.key}",
    ],
)
def test_a_certificate_needs_its_key(tmp_path: Path, destination: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"destinations: [{destination}]\nroutes: []\n")
    with pytest.raises(ConfigurationError, match="both certificate and key"):
        load_settings(file)


def test_relative_files_are_below_the_data_directory(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    tls = "{ca: ca.pem, certificate: tls/c.pem, key: /etc/c.key}"
    node = f"{{name: pacs, kind: dicom, ae_title: PACS, host: h, port: 104, tls: {tls}}}"
    file.write_text(f"data_dir: {tmp_path}\ndestinations: [{node}]\nroutes: []\n")
    (destination,) = load_settings(file).destinations
    assert isinstance(destination, DicomDestination)
    assert destination.tls == ClientTLS(
        ca=tmp_path / "ca.pem", certificate=tmp_path / "tls/c.pem", key=Path("/etc/c.key")
    )

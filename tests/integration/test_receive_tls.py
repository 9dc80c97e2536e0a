"""Receiving over TLS (PS3.15 B.12): who is let in, by which versions and suites, certificates renewed."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from select import select
from unittest.mock import Mock

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from gateway import tls
from gateway.dicom.statuses import Status
from gateway.errors import ConfigurationError
from gateway.receive import connections, storage_scp
from gateway.settings import Settings
from gateway.telemetry.audit import trail
from tests.support.certificates import Authority, Certificate
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.receiving import Receiver, receiving
from tests.wire.requestor import Requestor


@pytest.fixture(scope="module")
def server(authority: Authority) -> Certificate:
    return authority.sign("gateway")


@pytest.fixture(scope="module")
def modality(authority: Authority) -> Certificate:
    return authority.sign("modality")


def context_of(authority: Authority, shown: Certificate | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca))
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


def mutual(authority: Authority, server: Certificate) -> dict[str, str]:
    return server.files | {"ca": str(authority.ca)}


def assert_answers(receiver: Receiver, context: ssl.SSLContext) -> None:
    ae = AE("MODALITY")
    ae.add_requested_context(Verification)
    assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY", tls_args=(context, "127.0.0.1"))
    assert assoc.send_c_echo().Status == Status.SUCCESS
    assoc.release()


def why_rejected(receiver: Receiver) -> str:
    (entry,) = wait_for(lambda: receiver.events("association_rejected"))
    return str(entry["why"])


# --- who is let in


def test_both_sides_show_certificates(
    tmp_path: Path, authority: Authority, server: Certificate, modality: Certificate
) -> None:
    with receiving(tmp_path, tls=mutual(authority, server)) as receiver:
        with socket.create_connection(receiver.address):  # a silent probe: nobody waits for its handshake
            assert_answers(receiver, context_of(authority, modality))
        assert not receiver.events("association_rejected")


def test_only_the_gateway_shows_one(tmp_path: Path, authority: Authority, server: Certificate) -> None:
    with receiving(tmp_path, tls=server.files) as receiver:
        assert_answers(receiver, context_of(authority, None))


REFUSED: dict[str, tuple[Callable[[Authority, Path], Certificate | None], str]] = {
    "none": (lambda _authority, _: None, "the peer shows no certificate"),
    "expired": (lambda authority, _: authority.sign("expired", days=-1), "certificate has expired"),
    "of another authority": (
        lambda _, folder: Authority(folder / "other").sign("stranger"),
        "unable to get local issuer certificate",
    ),
}


@pytest.mark.parametrize("certificate", REFUSED)
def test_a_certificate_that_is_refused_is_named_and_audited(
    certificate: str, tmp_path: Path, authority: Authority, server: Certificate
) -> None:
    shown, why = REFUSED[certificate]
    context = context_of(authority, shown(authority, tmp_path))
    trail.open_trail(Settings(data_dir=tmp_path))
    try:
        with receiving(tmp_path, tls=mutual(authority, server)) as receiver:
            with (
                suppress(OSError),
                socket.create_connection(receiver.address, timeout=PATIENCE_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
            ):
                peer.recv(1)
            assert why in why_rejected(receiver)
    finally:
        trail.close_trail()
    (file,) = (tmp_path / "audit").glob("audit-*.log")
    assert why in file.read_text()


def test_a_peer_without_tls_is_told_apart(tmp_path: Path, server: Certificate) -> None:
    with receiving(tmp_path, tls=server.files) as receiver:
        with Requestor(receiver.address) as peer:
            answer = peer.associate("1.2.840.10008.1.1")
            assert answer is None or answer.kind not in (2, 3)  # TLS's own alert, no DICOM
        assert why_rejected(receiver).startswith("no TLS")


# --- versions and suites


def limited(
    authority: Authority, version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0"
) -> ssl.SSLContext:
    context = context_of(authority, None)
    context.set_ciphers(ciphers)
    context.minimum_version = version
    context.maximum_version = version
    return context


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_3, "ALL"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES256-GCM-SHA384"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256"),
    ],
)
def test_what_bcp_195_recommends_is_taken(
    version: ssl.TLSVersion, ciphers: str, tmp_path: Path, authority: Authority, server: Certificate
) -> None:
    with receiving(tmp_path, tls=server.files) as receiver:
        assert_answers(receiver, limited(authority, version, ciphers))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "ciphers", "why"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", "only versions of TLS before 1.2"),
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256", "no cipher suite of BCP 195"),  # no forward secrecy
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-SHA256", "no cipher suite of BCP 195"),  # no AEAD
    ],
)
def test_what_bcp_195_forbids_is_refused(
    version: ssl.TLSVersion, ciphers: str, why: str, tmp_path: Path, authority: Authority, server: Certificate
) -> None:
    context = limited(authority, version, ciphers)
    with receiving(tmp_path, tls=server.files) as receiver:
        with (
            socket.create_connection(receiver.address, timeout=PATIENCE_SECONDS) as plain,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
        assert why in why_rejected(receiver)


# --- connections that never come to an association


@pytest.mark.parametrize("drips", [False, True])
def test_a_handshake_that_does_not_end_is_cut_off(
    tmp_path: Path, server: Certificate, monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    monkeypatch.setattr(storage_scp, "ASSOCIATION_TIMEOUT_SECONDS", 0.3)
    with receiving(tmp_path, tls=server.files) as receiver, Requestor(receiver.address) as peer:
        peer.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")  # the first bytes of a ClientHello
        while drips and not select([peer.socket], [], [], 0.05)[0]:
            peer.say(b"\0")
        assert peer.hear() is None
        assert "timed out" in why_rejected(receiver)


def test_a_flood_of_silent_connections_is_bounded_and_keeps_no_stop_waiting(
    tmp_path: Path, server: Certificate
) -> None:
    with receiving(tmp_path, max_associations=2, tls=server.files) as receiver:
        peers = [Requestor(receiver.address) for _ in range(12)]
        dropped, _, _ = select([peer.socket for peer in peers], [], [], PATIENCE_SECONDS)
        assert dropped
    for peer in peers:
        peer.close()


def test_a_thread_that_cannot_be_started_takes_no_place_for_good(
    tmp_path: Path, authority: Authority, server: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(tmp_path, max_associations=1, tls=server.files) as receiver:
        with monkeypatch.context() as patched:
            patched.setattr(threading, "_start_new_thread", Mock(side_effect=RuntimeError("no thread")))
            for _ in range(3):
                with Requestor(receiver.address) as peer:
                    assert peer.hear() is None
        assert_answers(receiver, context_of(authority, None))


def test_a_probe_leaves_no_line(tmp_path: Path, authority: Authority, server: Certificate) -> None:
    with receiving(tmp_path, tls=server.files) as receiver:
        for _ in range(3):
            with Requestor(receiver.address):
                pass
        assert_answers(receiver, context_of(authority, None))
        assert not receiver.events("association_rejected")


# --- files


def install(certificate: Certificate, folder: Path, *, key: bool = True) -> dict[str, str]:
    """Put a certificate where the gateway reads it."""
    shutil.copy(certificate.certificate, folder / "gateway.pem")
    if key:
        shutil.copy(certificate.key, folder / "gateway.key")
    return {"certificate": str(folder / "gateway.pem"), "key": str(folder / "gateway.key")}


def shown_by(receiver: Receiver, authority: Authority) -> object:
    context = context_of(authority, None)
    with (
        socket.create_connection(receiver.address, timeout=PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
    ):
        certificate = peer.getpeercert()
        assert certificate is not None
        return certificate["subject"]


def test_a_peer_that_wrote_and_left_before_tls_is_no_failure_of_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        request, _ = listening.accept()
        peer.sendall(b"PROXY UNKNOWN\r\n")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # with a reset, as a balancer's health check
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ConnectionAbortedError):
        connections.tls_socket(request, context)


def test_a_renewed_certificate_counts_from_the_next_connection(
    tmp_path: Path, authority: Authority, server: Certificate, modality: Certificate
) -> None:
    with receiving(tmp_path, tls=install(server, tmp_path)) as receiver:
        before = shown_by(receiver, authority)
        install(modality, tmp_path, key=False)
        assert shown_by(receiver, authority) == before  # half a renewal
        assert len(receiver.events("certificate_not_reloaded")) == 1
        install(modality, tmp_path)
        assert shown_by(receiver, authority) != before
        assert len(receiver.events("certificate_reloaded")) == 1


@pytest.mark.parametrize("mended_by", ["rights", "time"])
def test_a_renewal_that_could_not_be_read_is_read_once_it_can(
    tmp_path: Path,
    authority: Authority,
    server: Certificate,
    modality: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    mended_by: str,
) -> None:
    def unreadable(*_: object) -> None:
        raise ConfigurationError("scp.tls: the key cannot be used")

    with receiving(tmp_path, tls=install(server, tmp_path)) as receiver:
        before = shown_by(receiver, authority)
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(tls, "AGAIN_SECONDS", -1 if mended_by == "time" else PATIENCE_SECONDS)
            meanwhile.setattr(tls, "server_context", unreadable)
            install(modality, tmp_path)
            assert [shown_by(receiver, authority) for _ in range(2)] == [before, before]
        if mended_by == "rights":
            (tmp_path / "gateway.key").chmod(0o600)
        assert shown_by(receiver, authority) != before
        assert len(receiver.events("certificate_not_reloaded")) == 1


def put_pipe(file: Path) -> None:
    os.mkfifo(file)


def put_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def put_encrypted_key(file: Path) -> None:
    command = ["openssl", "genrsa", "-aes256", "-passout", "pass:secret", "-out", file]
    subprocess.run(command, check=True, capture_output=True)


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (put_pipe, "is no regular file"),
    "folder": (Path.mkdir, "is no regular file"),
    "device": (put_device, "is no regular file"),
    "encrypted": (put_encrypted_key, "the key is encrypted"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_key_that_would_keep_its_reader_waiting_is_refused_and_the_former_one_stays(
    tmp_path: Path, authority: Authority, server: Certificate, modality: Certificate, kind: str
) -> None:
    put, why = UNUSABLE[kind]
    with receiving(tmp_path, tls=install(server, tmp_path)) as receiver:
        before = shown_by(receiver, authority)
        (tmp_path / "gateway.key").unlink()
        put(tmp_path / "gateway.key")
        assert [shown_by(receiver, authority) for _ in range(2)] == [before, before]
        (told,) = receiver.events("certificate_not_reloaded")
        assert why in told["reason"]
        (tmp_path / "gateway.key").rename(tmp_path / "aside")
        install(modality, tmp_path)
        assert shown_by(receiver, authority) != before
    unusable = server.files | {"key": str(tmp_path / "aside")}
    with pytest.raises(ConfigurationError, match=why), receiving(tmp_path, tls=unusable):
        pass


def test_a_disk_that_does_not_answer_keeps_no_connection_waiting(
    tmp_path: Path,
    authority: Authority,
    server: Certificate,
    modality: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = threading.Event()
    stat = tls._stamp

    def stat_late(path: Path) -> object:
        answers.wait(PATIENCE_SECONDS)
        return stat(path)

    with receiving(tmp_path, tls=install(server, tmp_path)) as receiver:
        before = shown_by(receiver, authority)
        install(modality, tmp_path)
        monkeypatch.setattr(tls, "READ_SECONDS", 0.05)
        monkeypatch.setattr(tls, "_stamp", stat_late)
        assert [shown_by(receiver, authority) for _ in range(3)] == [before] * 3
        (told,) = receiver.events("certificate_not_reloaded")
        assert "does not answer" in told["reason"]
        answers.set()
        wait_for(lambda: receiver.events("certificate_reloaded"))
        assert shown_by(receiver, authority) != before


def test_files_that_cannot_be_used(tmp_path: Path, server: Certificate) -> None:
    missing = server.files | {"key": str(tmp_path / "missing.pem")}
    with pytest.raises(ConfigurationError, match=r"scp\.tls"), receiving(tmp_path, tls=missing):
        pass

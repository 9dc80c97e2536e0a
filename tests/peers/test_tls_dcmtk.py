"""DCMTK's programs and openssl over TLS, in both directions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.deliver.c_store import StorageSCU
from gateway.deliver.outcome import Verdict
from gateway.errors import Retry
from gateway.requestor.storage_scu import DicomNode, echo
from gateway.settings import ClientTLS, DicomDestination
from tests.support.certificates import Authority, Certificate
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.pending import pending_object
from tests.support.receiving import Receiver, receiving
from tests.support.sockets import listens
from tests.support.sources import dx, encoded

Find = Callable[[str], str]


@pytest.fixture(scope="module")
def gateway(authority: Authority) -> Certificate:
    return authority.sign("gateway")


@pytest.fixture(scope="module")
def other(authority: Authority) -> Certificate:
    return authority.sign("other")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "1.dcm"
    path.write_bytes(encoded(dx()))
    return path


# --- receiving


@pytest.fixture
def receiver(tmp_path: Path, authority: Authority, gateway: Certificate) -> Iterator[Receiver]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    with receiving(folder, tls=gateway.files | {"ca": str(authority.ca)}) as running:
        yield running


def storescu(
    dcmtk: Find, receiver: Receiver, image: Path, *tls: str | Path
) -> subprocess.CompletedProcess[str]:
    host, port = receiver.address
    command = [dcmtk("storescu"), "-v", *map(str, tls), "-aec", "CXR_GATEWAY", host, str(port), str(image)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_storescu_with_a_certificate(
    profile: str, dcmtk: Find, receiver: Receiver, image: Path, authority: Authority, other: Certificate
) -> None:
    tls = ("+tls", other.key, other.certificate, "+cf", authority.ca, "-pw", profile)
    said = storescu(dcmtk, receiver, image, *tls)
    assert "Received Store Response (Success)" in said.stdout + said.stderr
    assert len(receiver.rows()) == 1


def test_storescu_without_a_certificate(
    dcmtk: Find, receiver: Receiver, image: Path, authority: Authority
) -> None:
    assert storescu(dcmtk, receiver, image, "+tla", "+cf", authority.ca).returncode != 0
    (entry,) = wait_for(lambda: receiver.events("association_rejected"))
    assert entry["why"] == "the peer shows no certificate"


def test_storescu_with_an_expired_certificate(
    dcmtk: Find, receiver: Receiver, image: Path, authority: Authority
) -> None:
    old = authority.sign("old", days=-1)
    tls = ("+tls", old.key, old.certificate, "+cf", authority.ca, "-pw")
    assert storescu(dcmtk, receiver, image, *tls).returncode != 0
    (entry,) = wait_for(lambda: receiver.events("association_rejected"))
    assert "certificate has expired" in entry["why"]


def test_storescu_without_tls(dcmtk: Find, receiver: Receiver, image: Path) -> None:
    assert storescu(dcmtk, receiver, image).returncode != 0
    (entry,) = wait_for(lambda: receiver.events("association_rejected"))
    assert entry["why"].startswith("no TLS")


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (["-tls1_3"], True),
        (["-tls1_2"], True),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1_2", "-cipher", "AES256-GCM-SHA384"], False),
        (["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"], False),
    ],
)
def test_openssl_finds_the_profile(
    options: list[str], taken: bool, receiver: Receiver, authority: Authority, other: Certificate
) -> None:
    host, port = receiver.address
    ours = ["-CAfile", str(authority.ca), "-cert", str(other.certificate), "-key", str(other.key)]
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{host}:{port}", *ours, *options],
        input="",
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ("Verify return code: 0 (ok)" in done.stdout and "Cipher is (NONE)" not in done.stdout) == taken


# --- sending


@pytest.fixture
def storescp(dcmtk: Find, tmp_path: Path, authority: Authority) -> Iterator[Callable[[Certificate], int]]:
    """Start DCMTK's SCP, which asks for certificates; return its port."""
    running: list[subprocess.Popen[bytes]] = []

    def start(shown: Certificate) -> int:
        port = free_port()
        folder = tmp_path / "stored"
        folder.mkdir()
        tls = ["+tls", str(shown.key), str(shown.certificate), "+cf", str(authority.ca), "-pw"]
        command = [dcmtk("storescp"), *tls, "-od", str(folder), str(port)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for(lambda: listens("127.0.0.1", port))
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def test_to_storescp(
    storescp: Callable[[Certificate], int],
    tmp_path: Path,
    authority: Authority,
    gateway: Certificate,
    other: Certificate,
) -> None:
    tls = ClientTLS.model_validate(gateway.files | {"ca": str(authority.ca)})
    node = DicomDestination(
        name="pacs", kind="dicom", ae_title="PACS", host="127.0.0.1", port=storescp(other), tls=tls
    )
    delivery = pending_object(tmp_path)
    (outcome,) = StorageSCU(node, "CXR_GATEWAY").deliver([delivery])
    assert outcome.verdict is Verdict.DELIVERED, outcome
    (stored,) = (tmp_path / "stored").iterdir()
    assert delivery.sop_instance_uid in stored.name


def test_a_storescp_that_refuses_us_is_told(
    storescp: Callable[[Certificate], int], authority: Authority, other: Certificate
) -> None:
    old = authority.sign("gateway-old", days=-1)
    tls = ClientTLS.model_validate(old.files | {"ca": str(authority.ca)})
    with pytest.raises(Retry, match="our certificate has expired"):
        echo(DicomNode("PACS", "127.0.0.1", storescp(other), "CXR_GATEWAY", 5, tls))


def test_an_expired_storescp_is_refused(
    storescp: Callable[[Certificate], int], authority: Authority, gateway: Certificate
) -> None:
    port = storescp(authority.sign("pacs-old", days=-1))
    tls = ClientTLS.model_validate(gateway.files | {"ca": str(authority.ca)})
    with pytest.raises(Retry, match="certificate has expired"):
        echo(DicomNode("PACS", "127.0.0.1", port, "CXR_GATEWAY", 5, tls))


def test_a_destination_is_sent_to_by_its_name_over_its_tls(
    storescp: Callable[[Certificate], int],
    tmp_path: Path,
    image: Path,
    authority: Authority,
    gateway: Certificate,
    other: Certificate,
) -> None:
    tls = f"{{ca: {authority.ca}, certificate: {gateway.certificate}, key: {gateway.key}}}"
    pacs = f"name: pacs, kind: dicom, ae_title: PACS, host: 127.0.0.1, port: {storescp(other)}, tls: {tls}"
    file = tmp_path / "gateway.yaml"
    file.write_text(f"destinations: [{{{pacs}}}]\nroutes: []\n")
    command = [sys.executable, "-m", "gateway", "send", str(image), "--to", "pacs", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "stored").iterdir())) == 1

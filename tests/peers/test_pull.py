"""Pulling from the archives of others: Orthanc and DCMTK's dcmqrscp, by C-GET and C-MOVE."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, generate_uid

from gateway.doctor.finding import Severity
from gateway.doctor.sources import sources
from gateway.errors import GatewayError
from gateway.pull.query import Period, Query
from gateway.pull.source import SourceAway
from gateway.requestor.send import send_files
from gateway.requestor.storage_scu import DicomNode, echo
from gateway.settings import Settings
from tests.conftest import Find
from tests.peers.orthanc import AE_TITLE, PASSWORD, USER, Orthanc, running_orthanc
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.pulling import Here, puller_for
from tests.support.receiving import receiving
from tests.support.sources import cr, dx, encoded

DAY = date(2026, 11, 3)
QUERY = Query(Period(DAY, DAY))
US = "CXR_GATEWAY"


def chests() -> list[Dataset]:
    """Return a study of two chests, one of them compressed, and one of a knee."""
    shared = {"StudyDate": "20261103", "StudyTime": "101112"}
    chest = shared | {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    knee = shared | {
        "StudyInstanceUID": generate_uid(),
        "BodyPartExamined": "KNEE",
        "SeriesDescription": "Knee",
    }
    return [dx(**chest), cr(**(chest | {"SeriesInstanceUID": generate_uid()})), dx(**knee)]


@dataclass(frozen=True)
class Peer:
    """An archive that runs, and the port where it expects the gateway; `describes` body parts of series."""

    node: DicomNode
    images: list[Dataset]
    files: list[bytes]
    gateway_port: int
    describes: bool = True

    def source(self, **changes: Any) -> dict[str, Any]:
        node = self.node
        settings = {
            "name": "pacs", "kind": "dicom", "ae_title": node.ae_title, "host": node.host, "port": node.port,
        }  # fmt: skip
        return settings | {"first_retry_seconds": 0.001, "timeout_seconds": 60} | changes


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("peer") / "orthanc") as running:
        yield running


@pytest.fixture(scope="module")
def in_orthanc(orthanc: Orthanc) -> Peer:
    port = free_port()
    orthanc.introduce(DicomNode(US, "127.0.0.1", port, US), "gateway")
    images = chests()
    files = [encoded(images[0], JPEGLSLossless), *map(encoded, images[1:])]
    for file in files:
        orthanc.upload(file)
    return Peer(DicomNode(AE_TITLE, "127.0.0.1", orthanc.dicom_port, US), images, files, port)


@contextmanager
def running_dcmqrscp(program: str, folder: Path) -> Iterator[tuple[DicomNode, int]]:
    """Run dcmqrscp with an empty database; it knows the gateway as a host that may ask and be sent to."""
    port, gateway_port = free_port(), free_port()
    storage = folder / "db"
    storage.mkdir(parents=True)
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\ngateway = ({US}, 127.0.0.1, {gateway_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nDCMQRSCP {storage} RW (200, 1024mb) ANY\nAETable END\n"
    )
    node = DicomNode("DCMQRSCP", "127.0.0.1", port, US)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or _answers(node))
        assert process.poll() is None, (folder / "log").read_text()
        yield node, gateway_port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _answers(node: DicomNode) -> bool:
    try:
        echo(node)
    except GatewayError:
        return False
    return True


@pytest.fixture(scope="module")
def in_dcmqrscp(dcmtk: Find, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp("dcmqrscp")
    images = chests()
    files = [encoded(image) for image in images]
    with running_dcmqrscp(dcmtk("dcmqrscp"), folder) as (node, port):
        for number, file in enumerate(files):
            path = folder / f"{number}.dcm"
            path.write_bytes(file)
            (sent,) = send_files([path], node)
            assert sent.stored, sent.problem
        yield Peer(node, images, files, port, describes=False)


def pulled(here: Here) -> dict[str, str]:
    """Search and fetch; return the state of each study."""
    ended: dict[str, str] = {}
    _, due = here.puller.find(QUERY)
    here.puller.run(lambda pull: ended.update({pull.study_instance_uid: str(pull.state)}), due)
    return ended


def expected(peer: Peer) -> dict[str, str]:
    chest, _, knee = peer.images
    of_the_knee = "not_wanted" if peer.describes else "complete"  # what is not told is fetched
    return {str(chest.StudyInstanceUID): "complete", str(knee.StudyInstanceUID): of_the_knee}


def test_orthanc_gives_what_it_has_byte_for_byte(in_orthanc: Peer, tmp_path: Path) -> None:
    with puller_for(tmp_path, in_orthanc.source()) as here:
        assert pulled(here) == expected(in_orthanc)
        kept = [path.read_bytes() for path in here.files()]
    assert len(kept) == 2
    for file in in_orthanc.files[:2]:
        assert [each[-1000:] for each in kept].count(file[-1000:]) == 1


def test_dcmqrscp_gives_what_it_has(in_dcmqrscp: Peer, tmp_path: Path) -> None:
    with puller_for(tmp_path, in_dcmqrscp.source()) as here:
        assert pulled(here) == expected(in_dcmqrscp)
        assert len(here.files()) == 3


@pytest.mark.parametrize("peer", ["in_orthanc", "in_dcmqrscp"])
def test_an_archive_sends_to_the_listener(request: pytest.FixtureRequest, tmp_path: Path, peer: str) -> None:
    archive: Peer = request.getfixturevalue(peer)
    with (
        receiving(tmp_path, port=archive.gateway_port) as receiver,
        puller_for(tmp_path, archive.source(retrieve="move")) as here,
    ):
        assert pulled(here) == expected(archive)
        assert {row.pulled_from for row in receiver.rows()} == {"pacs"}
        assert {row.calling_ae_title for row in receiver.rows()} == {archive.node.ae_title}


@pytest.mark.parametrize("peer", ["in_orthanc", "in_dcmqrscp"])
@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_the_doctor_finds_a_source_good(
    request: pytest.FixtureRequest, tmp_path: Path, peer: str, retrieve: str
) -> None:
    archive: Peer = request.getfixturevalue(peer)
    settings = Settings(data_dir=tmp_path, sources=[archive.source(retrieve=retrieve)])
    assert [each.verdict for each in sources(settings)] == [Severity.GOOD, Severity.GOOD]


def test_the_doctor_finds_that_orthanc_does_not_know_the_gateway_as_destination(
    in_orthanc: Peer, tmp_path: Path
) -> None:
    source = in_orthanc.source(retrieve="move")
    settings = Settings(data_dir=tmp_path, sources=[source], scp={"ae_title": "STRANGER"})
    *_, finding = sources(settings)
    assert finding.verdict is Severity.WRONG
    assert "there:" in finding.advice


def web(orthanc: Orthanc, **changes: Any) -> dict[str, Any]:
    settings = {"name": "web", "kind": "dicomweb", "url": orthanc.url, "username": USER, "password": PASSWORD}
    return settings | {"first_retry_seconds": 0.001} | changes


def test_orthanc_gives_by_wado_what_it_has_byte_for_byte(
    orthanc: Orthanc, in_orthanc: Peer, tmp_path: Path
) -> None:
    with puller_for(tmp_path, web(orthanc)) as here:
        assert pulled(here) == expected(in_orthanc)
        kept = [path.read_bytes() for path in here.files()]
    assert len(kept) == 2
    for file in in_orthanc.files[:2]:
        assert [each[-1000:] for each in kept].count(file[-1000:]) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"password": "wrong"}, "401"),
        ({"url": "http://127.0.0.1:1/dicom-web"}, "nothing answers there"),
    ],
)
def test_a_server_that_does_not_answer_searches_is_away(
    orthanc: Orthanc, tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    with puller_for(tmp_path, web(orthanc, **changes)) as here, pytest.raises(SourceAway, match=told):
        here.puller.find(QUERY)


def test_dcmqrscp_does_not_know_another_ae_title(in_dcmqrscp: Peer, tmp_path: Path) -> None:
    source = in_dcmqrscp.source(retrieve="move")
    with puller_for(tmp_path, source, scp={"ae_title": "STRANGER"}) as here:
        here.puller.find(QUERY)
        with pytest.raises(SourceAway, match="0xA801"):
            here.puller.run()

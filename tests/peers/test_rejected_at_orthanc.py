"""storescu sends images and a rejection note; Orthanc has results by a condition, and gets our own note."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.peers.orthanc import AE_TITLE, Orthanc
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.key_objects import rejection
from tests.support.sources import dx, encoded

Find = Callable[[str], str]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, orthanc: Orthanc) -> Iterator[GatewayProcess]:
    pacs = {"name": "pacs", "kind": "dicom", "ae_title": AE_TITLE, "host": "127.0.0.1"}
    destinations = [
        pacs | {"port": orthanc.dicom_port},
        {"name": "outbox", "kind": "folder", "path": "outbox"},
    ]
    routes = [{"when": "PatientAge >= 18 and Modality == 'DX'", "to": ["pacs"]}, {"to": ["outbox"]}]
    settings = {"destinations": destinations, "routes": routes, "delivery": {"rejection_notes": True}}
    with running(tmp_path_factory.mktemp("gateway"), doubles=["instant"], **settings) as gateway:
        orthanc.introduce(gateway.node)
        yield gateway


def send(storescu: str, gateway: GatewayProcess, folder: Path, *images: Dataset) -> None:
    files = [folder / f"{image.SOPInstanceUID}.dcm" for image in images]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(encoded(image))
    node = gateway.node
    call = [storescu, "-aet", "WARD", "-aec", node.ae_title, node.host, str(node.port)]
    subprocess.run([*call, *map(str, files)], check=True, timeout=PATIENCE_SECONDS)


def test_an_image_is_routed_by_its_header_and_its_results_are_rejected_with_it(
    gateway: GatewayProcess, orthanc: Orthanc, dcmtk: Find, tmp_path: Path
) -> None:
    adult, child = dx(PatientAge="060Y"), dx(PatientAge="009Y")
    storescu = dcmtk("storescu")
    send(storescu, gateway, tmp_path, adult, child)
    for image in (adult, child):
        wait_for(lambda uid=image.SOPInstanceUID: gateway.versions(uid)[0]["state"] == "delivered")
    assert sorted(orthanc.find(adult.StudyInstanceUID).values()) == ["OT", "SR"]
    assert orthanc.find(child.StudyInstanceUID) == {}
    note = rejection(
        adult.SOPInstanceUID, code="113037", StudyInstanceUID=adult.StudyInstanceUID, SeriesNumber=99
    )
    gateway.kill()  # what was acknowledged stays, what comes is taken once it serves again
    gateway.start()
    send(storescu, gateway, tmp_path, note)
    wait_for(lambda: "KO" in orthanc.find(adult.StudyInstanceUID).values())
    (version,) = gateway.versions(adult.SOPInstanceUID)
    assert (version["state"], version["reason"]) == ("ineligible", "rejected")
    assert gateway.versions(child.SOPInstanceUID)[0]["state"] == "delivered"
    results = {each["sop_instance_uid"]: each["kind"] for each in version["results"]}
    (own,) = [uid for uid, kind in results.items() if kind == "ko"]
    found = orthanc.download(own)
    named = {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in found.ContentSequence[1:]}
    assert named == set(results) - {own}
    assert found.ConceptNameCodeSequence[0].CodeValue == "113037"

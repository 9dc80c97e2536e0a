"""Results in a PACS: in the right study, once, found by query, committed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from gateway.deliver.c_store import StorageSCU
from gateway.deliver.outcome import Verdict
from gateway.deliver.stow import StowClient
from gateway.requestor.send import send_files
from gateway.settings import DicomDestination, StowDestination
from gateway.store.entries import PendingDelivery
from tests.peers.orthanc import AE_TITLE, PASSWORD, USER, Orthanc
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.pending import pending_object
from tests.support.sources import dx, encoded


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, orthanc: Orthanc) -> Iterator[GatewayProcess]:
    """What the modality WARD sends is answered by C-STORE with commitment, all else by STOW-RS."""
    pacs = dicom(orthanc).model_dump() | {"storage_commitment": True}
    web = {"name": "web", "kind": "stow", "url": orthanc.url, "username": USER}
    routes = [{"calling_ae_title": "WARD", "to": ["pacs"]}, {"calling_ae_title": "*", "to": ["web"]}]
    folder = tmp_path_factory.mktemp("gateway")
    secrets = {"GATEWAY_WEB_PASSWORD": PASSWORD}
    settings = {"destinations": [pacs, web], "routes": routes}
    with running(folder, environment=secrets, doubles=["instant"], **settings) as gateway:
        orthanc.introduce(gateway.node)
        yield gateway


def dicom(orthanc: Orthanc) -> DicomDestination:
    return DicomDestination(
        name="pacs", kind="dicom", ae_title=AE_TITLE, host="127.0.0.1", port=orthanc.dicom_port
    )


def stow(orthanc: Orthanc, **changes: Any) -> StowDestination:
    settings = {"name": "web", "kind": "stow", "url": orthanc.url, "username": USER, "password": PASSWORD}
    return StowDestination(**settings | changes)


def answered(gateway: GatewayProcess, folder: Path, calling_ae_title: str) -> tuple[Dataset, dict[str, Any]]:
    """Send a radiograph of its own study; wait until its results are where they belong."""
    image = dx()
    file = folder / "image.dcm"
    file.write_bytes(encoded(image))
    (sent,) = send_files([file], replace(gateway.node, calling_ae_title=calling_ae_title))
    assert sent.stored, sent.problem

    def instance() -> Any:
        return gateway.versions(str(image.SOPInstanceUID))[0]

    wait_for(lambda: instance()["state"] not in ("received", "inferred"))
    return image, instance()


def test_results_by_c_store_are_in_the_study_and_committed(
    gateway: GatewayProcess, orthanc: Orthanc, tmp_path: Path
) -> None:
    image, instance = answered(gateway, tmp_path, "WARD")
    assert instance["state"] == "delivered", instance
    assert {delivery["state"] for delivery in instance["deliveries"]} == {"committed"}
    uids = {result["sop_instance_uid"]: result["kind"] for result in instance["results"]}
    found = orthanc.find(image.StudyInstanceUID)
    assert {found[uid]: kind for uid, kind in uids.items()} == {"SR": "sr", "OT": "sc"}
    assert len(found) == 2
    committed = {event["result_sop_instance_uid"] for event in gateway.told("committed", len(uids))}
    assert committed == set(uids)


def test_results_by_stow_are_in_the_study_and_the_patient(
    gateway: GatewayProcess, orthanc: Orthanc, tmp_path: Path
) -> None:
    image, instance = answered(gateway, tmp_path, "CLINIC")
    assert instance["state"] == "delivered", instance
    found = orthanc.search(image.StudyInstanceUID)
    assert set(found) == {result["sop_instance_uid"] for result in instance["results"]}
    assert {result.PatientID for result in found.values()} == {image.PatientID}


@pytest.fixture
def pending(tmp_path: Path) -> PendingDelivery:
    """An object that waits for delivery."""
    image = dx()
    return pending_object(tmp_path, image=image, study_instance_uid=str(image.StudyInstanceUID))


def test_what_is_delivered_again_is_stored_once(orthanc: Orthanc, pending: PendingDelivery) -> None:
    outcomes = [
        *StorageSCU(dicom(orthanc), "CXR_GATEWAY").deliver([pending]),
        *StowClient(stow(orthanc)).deliver([pending]),
        *StorageSCU(dicom(orthanc), "CXR_GATEWAY").deliver([pending]),
        *StowClient(stow(orthanc)).deliver([pending]),
    ]
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 4, outcomes
    (stored,) = orthanc.search(pending.study_instance_uid)
    assert stored == pending.sop_instance_uid


def test_the_bytes_arrive_as_they_are(orthanc: Orthanc, pending: PendingDelivery) -> None:
    (outcome,) = StowClient(stow(orthanc)).deliver([pending])
    assert outcome.verdict is Verdict.DELIVERED
    (kept,) = [
        path
        for path in orthanc.storage.rglob("*")
        if path.is_file() and pending.sop_instance_uid.encode() in path.read_bytes()[:4096]
    ]
    assert kept.read_bytes() == pending.path.read_bytes()
    assert dcmread(kept).SOPInstanceUID == pending.sop_instance_uid


def test_refused_credentials_are_the_servers_matter(orthanc: Orthanc, pending: PendingDelivery) -> None:
    (outcome,) = StowClient(stow(orthanc, password="wrong")).deliver([pending])
    assert outcome.verdict is Verdict.AWAY
    assert "401" in str(outcome.error)

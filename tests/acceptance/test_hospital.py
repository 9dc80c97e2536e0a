"""A modality, a PACS that routes everything, and the gateway: the loop closes, once.

Who is who: DCMTK's storescu is the modality and its findscu a workstation, Orthanc is the PACS.
"""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.queries.document import image_document
from gateway.store.queries.images import Images
from tests.peers.orthanc import AE_TITLE, Orthanc, running_orthanc
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded

Find = Callable[[str], str]
AUTO_ROUTING = Path(__file__).parents[1] / "peers" / "auto_routing.lua"
KNOWN, EMERGENCY = "P-0042", "EMERGENCY-1"  # the script reconciles the second to the first
COMMITMENT = {"storage_commitment": True, "commitment_timeout_seconds": 1}
SETTLED = {"ineligible", "delivered", "failed"}


@dataclass(frozen=True)
class Hospital:
    """The PACS and the gateway, each other's destination."""

    pacs: Orthanc
    gateway: GatewayProcess
    dcmtk: Find

    def send(self, image: Dataset, folder: Path, *, to_pacs: bool) -> str:
        """Send an image as the modality does; return what storescu says."""
        node = self.gateway.node
        called, port = (AE_TITLE, self.pacs.dicom_port) if to_pacs else (node.ae_title, node.port)
        file = folder / "image.dcm"
        file.write_bytes(encoded(image))
        peer = ["-v", "-aet", "MODALITY", "-aec", called, "127.0.0.1", str(port)]
        done = subprocess.run(
            [self.dcmtk("storescu"), *peer, file],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        return done.stdout + done.stderr

    def find(self, folder: Path, **keys: str) -> list[Dataset]:
        """Ask the PACS by findscu; keys by keyword, empty ones are asked for."""
        folder.mkdir()
        query = [part for keyword, value in keys.items() for part in ("-k", f"{keyword}={value}")]
        peer = ["-aec", AE_TITLE, "127.0.0.1", str(self.pacs.dicom_port)]
        command = [self.dcmtk("findscu"), "-S", "-X", "-od", str(folder), *query, *peer]
        subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=True)
        return [dcmread(answer, force=True) for answer in sorted(folder.iterdir())]

    def seen(self, **which: str) -> list[dict[str, Any]]:
        """Return what came to the gateway, in that order; it is not asked itself, so that it is quick."""
        engine = open_engine(f"sqlite:///{self.gateway.data_dir}/gateway.sqlite")
        images = Images(Ledger(engine, self.gateway.data_dir))
        uids = {row.sop_instance_uid for row in images.newest(**which)}
        versions = [image_document(version) for uid in uids for version in images.versions(uid)]
        engine.dispose()
        return sorted(versions, key=lambda version: str(version["received_at"]))

    def routed(self) -> list[dict[str, Any]]:
        """Return the PACS's jobs that send to the gateway."""
        return [job for job in self.pacs.ask("jobs?expand") if job["Type"] == "DicomModalityStore"]

    def is_at_rest(self) -> bool:
        """Tell whether nothing can happen any more without somebody from outside.

        All that the PACS holds was sent to the gateway and taken there, all that reached the gateway has come
        to its end, and the two are the same instances. The gateway is asked last: a job that has succeeded
        has brought its instance there, also one that is there already by another way.
        """
        held = {each["ID"]: each["MainDicomTags"] for each in self.pacs.ask("instances?expand")}
        jobs = self.routed()
        known = self.seen()
        return (
            {version["state"] for version in known} <= SETTLED
            and all(job["State"] == "Success" for job in jobs)
            and {instance for job in jobs for instance in job["Content"]["ParentResources"]} >= set(held)
            and {version["sop_instance_uid"] for version in known}
            == {tags["SOPInstanceUID"] for tags in held.values()}
        )


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, dcmtk: Find) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    with running_orthanc(folder / "pacs", AUTO_ROUTING) as pacs:
        node = {"ae_title": AE_TITLE, "host": "127.0.0.1", "port": pacs.dicom_port}
        settings = {
            "scp": {"peers": [{"ae_title": title, "host": "127.0.0.1"} for title in ("MODALITY", AE_TITLE)]},
            "destinations": [{"name": "pacs", "kind": "dicom"} | node | COMMITMENT],
            "routes": [{"calling_ae_title": "*", "to": ["pacs"]}],
            "delivery": {"first_retry_seconds": 0.2},
        }
        with running(folder, **settings) as gateway:
            pacs.introduce(gateway.node)
            yield Hospital(pacs, gateway, dcmtk)


def test_the_loop_closes_once(hospital: Hospital, tmp_path: Path) -> None:
    image = dx(PatientID="P-0001")
    assert "Received Store Response (Success)" in hospital.send(image, tmp_path, to_pacs=True)
    wait_for(lambda: len(hospital.pacs.ask("instances")) == 3 and hospital.is_at_rest())

    radiograph, *results = hospital.seen(study_instance_uid=image.StudyInstanceUID)
    assert (radiograph["state"], radiograph["sop_instance_uid"]) == ("delivered", image.SOPInstanceUID)
    assert radiograph["calling_ae_title"] == AE_TITLE
    uids = {result["sop_instance_uid"]: result["kind"] for result in radiograph["results"]}
    assert sorted(uids.values()) == ["sc", "sr"]
    assert {each["state"] for each in radiograph["deliveries"]} == {"committed"}
    assert {result["sop_instance_uid"] for result in results} == set(uids)
    assert {(result["state"], result["reason"]) for result in results} == {("ineligible", "own_result")}
    for event, times in {"received": 3, "inferred": 1, "delivered": 2}.items():
        assert len(hospital.gateway.told(event, times)) == times, event
    assert not hospital.gateway.events("refused")
    assert {job["Content"]["FailedInstancesCount"] for job in hospital.routed()} == {0}

    (study,) = hospital.find(
        tmp_path / "study", QueryRetrieveLevel="STUDY", PatientID="P-0001", StudyInstanceUID="",
        AccessionNumber="", ModalitiesInStudy="", NumberOfStudyRelatedInstances="",
    )  # fmt: skip
    assert study.StudyInstanceUID == image.StudyInstanceUID
    assert study.AccessionNumber == image.AccessionNumber
    assert study.NumberOfStudyRelatedInstances == 3
    assert set(study.ModalitiesInStudy) == {"DX", "SR", "OT"}
    found = hospital.find(
        tmp_path / "images", QueryRetrieveLevel="IMAGE", StudyInstanceUID=image.StudyInstanceUID,
        SOPInstanceUID="", Modality="", PatientName="",
    )  # fmt: skip
    modalities = {each.SOPInstanceUID: each.Modality for each in found}
    assert {modalities[uid]: kind for uid, kind in uids.items()} == {"SR": "sr", "OT": "sc"}
    assert {str(each.PatientName) for each in found} == {str(image.PatientName)}
    assert patients_of(hospital.pacs, image.StudyInstanceUID) == {"P-0001": 3}


def patients_of(pacs: Orthanc, study_instance_uid: str) -> dict[str, int]:
    """Ask the PACS's own interface: how many instances of a study each patient has."""
    patients: dict[str, int] = {}
    for uid in pacs.search(study_instance_uid):
        (found,) = pacs.look_up(uid)
        patient = pacs.ask(f"instances/{found}/patient")["MainDicomTags"]["PatientID"]
        patients[patient] = patients.get(patient, 0) + 1
    return patients


def test_results_join_the_patient_that_the_pacs_reconciled(hospital: Hospital, tmp_path: Path) -> None:
    before = len(hospital.pacs.ask("instances"))
    image = dx(PatientID=EMERGENCY)
    hospital.send(image, tmp_path, to_pacs=True)
    wait_for(lambda: len(hospital.pacs.ask("instances")) == before + 3 and hospital.is_at_rest())
    radiograph, *results = hospital.seen(study_instance_uid=image.StudyInstanceUID)
    assert radiograph["state"] == "delivered"
    assert {dcmread(result["path"]).PatientID for result in radiograph["results"]} == {KNOWN}
    assert [result["reason"] for result in results] == ["own_result"] * 2
    assert patients_of(hospital.pacs, image.StudyInstanceUID) == {KNOWN: 3}


def test_an_image_from_both_sides_is_answered_once(hospital: Hospital, tmp_path: Path) -> None:
    before = len(hospital.pacs.ask("instances"))
    image = dx(PatientID=EMERGENCY)
    hospital.send(image, tmp_path, to_pacs=False)
    wait_for(lambda: len(hospital.pacs.ask("instances")) == before + 2)
    hospital.send(image, tmp_path, to_pacs=True)
    wait_for(lambda: len(hospital.pacs.ask("instances")) == before + 3 and hospital.is_at_rest())
    ends = [(row["state"], row["reason"]) for row in hospital.seen(study_instance_uid=image.StudyInstanceUID)]
    assert sorted(ends, key=str) == [
        ("delivered", None),
        ("ineligible", "own_result"),
        ("ineligible", "own_result"),
        ("ineligible", "patient_changed"),  # the PACS has reconciled it meanwhile
    ]
    assert patients_of(hospital.pacs, image.StudyInstanceUID) == {KNOWN: 3}

"""Orthanc as the PACS: C-STORE, STOW-RS, queries and Storage Commitment, on loopback, ended with the test."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from gateway.requestor.storage_scu import DicomNode
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.missing_peer import leave_out

AE_TITLE = "ORTHANC"
PLUGINS = [Path("/usr/share/orthanc/plugins"), Path("/usr/lib/orthanc")]
USER, PASSWORD = "gateway", "loopback only"


@dataclass(frozen=True)
class Orthanc:
    """One that runs; `url` is of its DICOMweb server."""

    dicom_port: int
    http_port: int
    storage: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def ask(self, path: str) -> Any:
        """Return what its own interface answers."""
        answer = requests.get(self._address(path), auth=(USER, PASSWORD), timeout=PATIENCE_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def look_up(self, uid: str) -> list[str]:
        """Return its own names of what has this DICOM identifier."""
        answer = requests.post(
            self._address("tools/lookup"), uid, auth=(USER, PASSWORD), timeout=PATIENCE_SECONDS
        )
        answer.raise_for_status()
        return [found["ID"] for found in answer.json()]

    def introduce(self, node: DicomNode, name: str = "introduced") -> None:
        """Tell it where a node listens: it calls nobody else back."""
        known = {"AET": node.ae_title, "Host": node.host, "Port": node.port}
        address = self._address(f"modalities/{name}")
        requests.put(address, json=known, auth=(USER, PASSWORD), timeout=PATIENCE_SECONDS).raise_for_status()

    def find(self, study_instance_uid: str) -> dict[str, str]:
        """Ask by C-FIND: the modality of each instance of a study."""
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID = study_instance_uid
        query.SOPInstanceUID = query.Modality = ""
        ae = AE()
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
        assoc = ae.associate("127.0.0.1", self.dicom_port, ae_title=AE_TITLE)
        assert assoc.is_established
        answers = list(assoc.send_c_find(query, StudyRootQueryRetrieveInformationModelFind))
        assoc.release()
        return {found.SOPInstanceUID: found.Modality for _, found in answers if found is not None}

    def search(self, study_instance_uid: str) -> dict[str, Dataset]:
        """Ask by QIDO-RS: the instances of a study."""
        found = self.ask(f"dicom-web/studies/{study_instance_uid}/instances?includefield=PatientID")
        instances = [Dataset.from_json(item) for item in found]
        return {str(instance.SOPInstanceUID): instance for instance in instances}

    def upload(self, file: bytes) -> str:
        """Store a Part 10 file; return Orthanc's own name of the object."""
        return str(self._post("instances", file).json()["ID"])

    def download(self, sop_instance_uid: str) -> Dataset:
        """Return an object as it stores it."""
        looked_up = self._post("tools/lookup", sop_instance_uid).json()
        (number,) = [found["ID"] for found in looked_up if found["Type"] == "Instance"]
        file = requests.get(
            self._address(f"instances/{number}/file"), auth=(USER, PASSWORD), timeout=PATIENCE_SECONDS
        )
        file.raise_for_status()
        return dcmread(BytesIO(file.content))

    def _post(self, path: str, body: str | bytes) -> requests.Response:
        return requests.post(self._address(path), body, auth=(USER, PASSWORD), timeout=PATIENCE_SECONDS)

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http_port}/{path}"


@contextmanager
def running_orthanc(folder: Path, *scripts: Path) -> Iterator[Orthanc]:
    """Run one with files in `folder` and Lua scripts; without it the test is left out, but never in CI."""
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
    plugin = next((path for path in (p / "libOrthancDicomWeb.so" for p in PLUGINS) if path.exists()), None)
    if program is None or plugin is None:
        leave_out("Orthanc is missing: apt-get install orthanc orthanc-dicomweb")
    folder.mkdir()
    orthanc = Orthanc(free_port(), free_port(), storage=folder / "storage")
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(_settings(orthanc, plugin) | {"LuaScripts": [str(path) for path in scripts]})
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(config)], stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or _answers(orthanc))
        assert process.poll() is None, (folder / "log").read_text()
        yield orthanc
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _settings(orthanc: Orthanc, plugin: Path) -> dict[str, Any]:
    return {
        "StorageDirectory": str(orthanc.storage),
        "IndexDirectory": str(orthanc.storage),
        "HttpPort": orthanc.http_port,
        "DicomPort": orthanc.dicom_port,
        "DicomAet": AE_TITLE,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowFind": True,
        "JobsHistorySize": 1000,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "Plugins": [str(plugin)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }


def _answers(orthanc: Orthanc) -> bool:
    try:
        orthanc.ask("system")
    except requests.RequestException:
        return False
    return True

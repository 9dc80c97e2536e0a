"""A gateway with every document on: storescu sends, a reader judges, and Orthanc gives all documents back."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import requests
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from tests.peers.orthanc import AE_TITLE, Orthanc
from tests.peers.test_encapsulated_pdf import given_back, poppler_text
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded

Find = Callable[[str], str]
EVERYTHING = {
    "results": {"presentation_state": True, "pdf": True, "hl7": {"pdf": True}, "fhir": {"pdf": True}},
    "delivery": {"reader_reports": {"organisation": "St. Elsewhere"}},
    "web": {"enabled": True, "port": 0},
}


def test_orthanc_gives_every_document_back(orthanc: Orthanc, dcmtk: Find, tmp_path: Path) -> None:
    pacs = {"name": "pacs", "kind": "dicom", "ae_title": AE_TITLE, "host": "127.0.0.1"}
    folder = {"name": "outbox", "kind": "folder", "path": str(tmp_path / "outbox")}
    destinations = [pacs | {"port": orthanc.dicom_port}, folder]
    routes = [{"to": ["pacs", "outbox"]}]
    image = dx(PatientName="Yamada^Tarou=山田^太郎")
    uid = str(image.SOPInstanceUID)
    settings = {"destinations": destinations, "routes": routes, **EVERYTHING}
    with running(tmp_path, doubles=["instant"], **settings) as gateway:
        send(dcmtk("storescu"), gateway, image, tmp_path)
        wait_for(lambda: gateway.versions(uid)[0]["state"] == "delivered")
        agree(gateway, uid)
        wait_for(lambda: len(orthanc.find(image.StudyInstanceUID)) == 5)
    by_modality: dict[str, list[Dataset]] = {}
    for each, modality in orthanc.find(image.StudyInstanceUID).items():
        by_modality.setdefault(modality, []).append(orthanc.download(each))
    assert {modality: len(found) for modality, found in by_modality.items()} == {
        "SR": 2, "OT": 1, "PR": 1, "DOC": 1,
    }  # fmt: skip

    (document,), (state,) = by_modality["DOC"], by_modality["PR"]
    path = tmp_path / "from-orthanc.dcm"
    dcmwrite(path, document)
    page = given_back(path.read_bytes(), tmp_path, dcmtk("dcm2pdf"))
    assert page == document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    text = poppler_text(page, tmp_path)
    assert all(each in text for each in ("RESEARCH ONLY", "山田 太郎", "P-0042", "Pneumonia"))
    assert [page] * 2 == [page_in_message(tmp_path / "outbox"), page_in_bundle(tmp_path / "outbox")]

    readers, own = sorted(by_modality["SR"], key=lambda each: "PredecessorDocumentsSequence" not in each)
    (replaced,) = readers.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert replaced.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == own.SOPInstanceUID
    (evidence,) = own.CurrentRequestedProcedureEvidenceSequence
    assert {
        (series.SeriesInstanceUID, series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for series in evidence.ReferencedSeriesSequence
    } == {(each.SeriesInstanceUID, each.SOPInstanceUID) for each in (image, state)}


def send(storescu: str, gateway: GatewayProcess, image: Dataset, folder: Path) -> None:
    file, node = folder / "image.dcm", gateway.node
    file.write_bytes(encoded(image))
    peer = ["-aet", "WARD", "-aec", node.ae_title, node.host, str(node.port)]
    subprocess.run([storescu, *peer, str(file)], check=True, timeout=PATIENCE_SECONDS)


def agree(gateway: GatewayProcess, uid: str) -> None:
    """Say on the report page that the answer is right, as a browser does."""
    (started,) = wait_for(lambda: [each for each in gateway.events("started") if "url" in each])
    report = f"{started['url'].rstrip('/')}/instances/{uid}"
    shown = requests.get(report, timeout=PATIENCE_SECONDS).text
    judged = re.search(r'name="judged" value="([^"]*)"', shown)
    assert judged
    form = {"verdict": "agree", "comment": "", "reader": "Adams", "judged": judged[1]}
    said = requests.post(f"{report}/feedback", data=form, allow_redirects=False, timeout=PATIENCE_SECONDS)
    assert said.status_code == 303


def page_in_message(outbox: Path) -> bytes:
    (message,) = outbox.rglob("*.hl7")
    last = message.read_bytes().decode().split("\r")[-2]
    return b64decode(last.split("|")[5].split("^")[4])


def page_in_bundle(outbox: Path) -> bytes:
    (bundle,) = outbox.rglob("*.json")
    resources = [each["resource"] for each in json.loads(bundle.read_bytes())["entry"]]
    (report,) = [each for each in resources if each["resourceType"] == "DiagnosticReport"]
    return b64decode(report["presentedForm"][0]["data"])

"""The routing that compose.yaml gives its Orthanc: radiographs go on to the gateway, its results stay."""

from pathlib import Path

from pydicom.uid import ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation

from gateway.requestor.send import send_files
from gateway.requestor.storage_scu import DicomNode
from tests.peers.orthanc import AE_TITLE, running_orthanc
from tests.support.gateway_process import wait_for
from tests.support.sources import cr, dx, encoded
from tests.support.storage_peer import storage_peer

RADIOGRAPHS = (ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation)
ROUTING = Path(__file__).parents[2] / "config" / "orthanc-routing.lua"


def test_radiographs_go_on_and_results_do_not_come_back(tmp_path: Path) -> None:
    images = {name: tmp_path / name for name in ("from the gateway", "first", "second")}
    for ds, file in zip((dx(), dx(), cr()), images.values(), strict=True):
        file.write_bytes(encoded(ds))
    with (
        storage_peer(sop_classes=RADIOGRAPHS, ae_title="CXR_GATEWAY") as peer,
        running_orthanc(tmp_path / "pacs", ROUTING) as pacs,
    ):
        pacs.introduce(DicomNode("CXR_GATEWAY", peer.host, peer.port, AE_TITLE), "gateway")
        for name, file in images.items():
            sender = "CXR_GATEWAY" if name == "from the gateway" else "MODALITY"
            node = DicomNode(AE_TITLE, "127.0.0.1", pacs.dicom_port, sender)
            assert [sent.stored for sent in send_files([file], node)] == [True]
        wait_for(lambda: len(peer.received) >= 2)
        assert len(pacs.ask("instances")) == 3
        assert len(peer.received) == 2

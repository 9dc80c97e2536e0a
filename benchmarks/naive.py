"""NAIVE: a script that does everything in the C-STORE handler, the yardstick of the whole way.

It receives with pynetdicom, decodes with pydicom, scales with Pillow, infers with torch, and sends an SR and
an SC to the peer before it answers 0x0000. It keeps nothing: an image is lost with the process. Its weights
are random, which take as long as any others.

`python -m benchmarks.naive PORT` sends to the peer at that port, and prints its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    DigitalXRayImageStorageForPresentation,
    EnhancedSRStorage,
    SecondaryCaptureImageStorage,
)

SIDE = 224
PICTURE_SIDE = 1024


@contextmanager
def naive(peer_port: int) -> Iterator[int]:
    """Run the script in a process of its own; yield its port."""
    command = [sys.executable, "-m", "benchmarks.naive", str(peer_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


class Script:
    """The handler and all that it needs."""

    def __init__(self, peer_port: int) -> None:
        import torch

        from gateway.model.network import build_network  # torchvision's ResNet-50

        self._torch = torch
        self._network = build_network().eval()
        self._peer_port = peer_port
        self._ae = AE("NAIVE")
        for sop_class in (EnhancedSRStorage, SecondaryCaptureImageStorage):
            self._ae.add_requested_context(sop_class, ExplicitVRLittleEndian)

    def answer(self, event: evt.Event) -> int:
        """Answer one C-STORE request."""
        from PIL import Image

        image = event.dataset
        image.file_meta = event.file_meta
        pixels = image.pixel_array.astype(np.float32)
        grey = ((pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255).astype(np.uint8)
        picture = Image.fromarray(grey).convert("RGB")
        score = self._score(np.asarray(picture.resize((SIDE, SIDE)), dtype=np.float32))
        picture = picture.resize((PICTURE_SIDE, PICTURE_SIDE))
        return self._send([_report(image, score), _capture(image, picture, score)])

    def _score(self, pixels: Any) -> float:
        tensor = self._torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()) / 127.5 - 1
        with self._torch.inference_mode():
            return float(self._network(tensor).softmax(1)[0, 1])

    def _send(self, results: list[Dataset]) -> int:
        association = self._ae.associate("127.0.0.1", self._peer_port)
        statuses = [int(association.send_c_store(each).Status) for each in results]
        association.release()
        return max(statuses)


def _report(image: Dataset, score: float) -> Dataset:
    """Return an SR that says the score, with the image as its evidence."""
    report = _result(image, EnhancedSRStorage, "SR")
    report.CompletionFlag, report.VerificationFlag = "COMPLETE", "UNVERIFIED"
    reference = _item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
    series = _item(ReferencedSOPSequence=[reference], SeriesInstanceUID=image.SeriesInstanceUID)
    study = _item(ReferencedSeriesSequence=[series], StudyInstanceUID=image.StudyInstanceUID)
    report.CurrentRequestedProcedureEvidenceSequence = [study]
    report.ValueType, report.ContinuityOfContent = "CONTAINER", "SEPARATE"
    report.ConceptNameCodeSequence = [_code("18748-4", "LN", "Diagnostic imaging study")]
    finding = _item(
        RelationshipType="CONTAINS",
        ValueType="TEXT",
        ConceptNameCodeSequence=[_code("121071", "DCM", "Finding")],
        TextValue=f"Pneumonia {score:.3f}",
    )
    report.ContentSequence = [finding]
    return report


def _capture(image: Dataset, picture: Any, score: float) -> Dataset:
    """Return an SC of the picture with the score drawn into it."""
    from PIL import ImageDraw

    ImageDraw.Draw(picture).text((10, 10), f"Pneumonia {score:.3f}", fill="yellow")
    capture = _result(image, SecondaryCaptureImageStorage, "OT")
    capture.ConversionType = "WSD"
    capture.SamplesPerPixel, capture.PhotometricInterpretation, capture.PlanarConfiguration = 3, "RGB", 0
    capture.Rows, capture.Columns = picture.height, picture.width
    capture.BitsAllocated, capture.BitsStored, capture.HighBit, capture.PixelRepresentation = 8, 8, 7, 0
    capture.PixelData = picture.tobytes()
    return capture


def _result(image: Dataset, sop_class: str, modality: str) -> Dataset:
    result = Dataset()
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"):
        setattr(result, keyword, image.get(keyword))
    result.SOPClassUID, result.SOPInstanceUID = sop_class, generate_uid()
    result.SeriesInstanceUID, result.Modality = generate_uid(), modality
    result.ContentDate = f"{datetime.now(UTC):%Y%m%d}"
    result.file_meta = FileMetaDataset()
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return result


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def main() -> None:
    """Serve until the process is killed."""
    script = Script(int(sys.argv[1]))
    ae = AE("NAIVE")
    ae.add_supported_context(DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, script.answer)])
    assert server is not None
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

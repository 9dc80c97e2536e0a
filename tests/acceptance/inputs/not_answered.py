"""Inputs that are received and not answered: what is sent, the state and the reason code of its end."""

from __future__ import annotations

import struct

import imagecodecs
from pydicom import uid
from pydicom.dataset import Dataset

from gateway.proof.images import chest_pixels
from tests.acceptance.inputs.codestreams import compressed, jpeg_2000, jpeg_lossless
from tests.acceptance.inputs.sent import Make, Sent
from tests.support.sources import cr, dx, item


def jpeg_2000_bomb() -> Dataset:
    """Return a kilobyte that would make a decoder allocate ten gigabytes."""
    stream = jpeg_2000()
    stream[8:16] = stream[24:32] = struct.pack(">2L", 10_000, 10_000)
    style = stream.find(b"\xff\x52")
    stream[style + 10 : style + 12] = b"\0\0"
    return compressed(stream, uid.JPEG2000Lossless, cr(Rows=10_000, Columns=10_000))


def rle(*starts: int) -> Dataset:
    """Return RLE segments that begin where they do not."""
    header = struct.pack("<16L", len(starts), *starts, *[0] * (15 - len(starts)))
    return compressed(header + b"\x81\0" * 300, uid.RLELossless)


NOT_ANSWERED: dict[str, tuple[Make, str, str]] = {
    "laterals labelled PA": (
        lambda: Sent.of(dx(PatientOrientation=["A", "F"], ViewPosition="PA")),
        "ineligible",
        "view_conflict",
    ),
    "DX For Processing": (
        lambda: Sent.of(
            dx(SOPClassUID=uid.DigitalXRayImageStorageForProcessing, PresentationIntentType="FOR PROCESSING")
        ),
        "ineligible",
        "for_processing",
    ),
    "two frames": (
        lambda: Sent.of(dx(NumberOfFrames=2, PixelData=chest_pixels().tobytes() * 2)),
        "ineligible",
        "multi_frame",
    ),
    "colour": (
        lambda: Sent.of(
            dx(
                SamplesPerPixel=3,
                PhotometricInterpretation="RGB",
                PlanarConfiguration=0,
                PixelData=chest_pixels().tobytes() * 3,
            )
        ),
        "ineligible",
        "colour",
    ),
    "a CT image in the same study": (
        lambda: Sent.of(cr(SOPClassUID=uid.CTImageStorage, Modality="CT")),
        "ineligible",
        "not_radiograph",
    ),
    "a presentation state": (
        lambda: Sent.of(
            item(
                SOPClassUID=uid.GrayscaleSoftcopyPresentationStateStorage,
                SOPInstanceUID=uid.generate_uid(prefix=None),
                StudyInstanceUID="1.2.3",
                Modality="PR",
                file_meta=dx().file_meta,
            )
        ),
        "ineligible",
        "not_radiograph",
    ),
    "no pixels": (lambda: Sent.of(dx(PixelData=None)), "failed", "no_pixels"),
    "no rows": (lambda: Sent.of(dx(Rows=0)), "failed", "undecodable"),
    "32 bits allocated": (
        lambda: Sent.of(dx(BitsAllocated=32, PixelData=chest_pixels().astype("<u4").tobytes())),
        "failed",
        "undecodable",
    ),
    "more bits stored than allocated": (lambda: Sent.of(dx(BitsStored=40)), "failed", "undecodable"),
    "no photometric interpretation": (
        lambda: Sent.of(dx(PhotometricInterpretation=None)),
        "failed",
        "undecodable",
    ),
    "no Series Instance UID": (lambda: Sent.of(dx(SeriesInstanceUID=None)), "failed", "undecodable"),
    "half a JPEG Lossless": (
        lambda: Sent.of(compressed(jpeg_lossless()[:2000], uid.JPEGLosslessSV1)),
        "failed",
        "undecodable",
    ),
    "half a JPEG 2000": (
        lambda: Sent.of(compressed(jpeg_2000()[:2000], uid.JPEG2000Lossless)),
        "failed",
        "undecodable",
    ),
    "a codestream of another size": (
        lambda: Sent.of(compressed(imagecodecs.jpegls_encode(chest_pixels(50, 40)), uid.JPEGLSLossless)),
        "failed",
        "undecodable",
    ),
    "HTML as codestream": (
        lambda: Sent.of(compressed(b"<html></html>", uid.JPEGLSLossless)),
        "failed",
        "undecodable",
    ),
    "compression bomb: JPEG 2000": (lambda: Sent.of(jpeg_2000_bomb()), "failed", "undecodable"),
    "RLE segments beyond the end": (lambda: Sent.of(rle(64, 4_000_000_000)), "failed", "undecodable"),
    "RLE segments in the header": (lambda: Sent.of(rle(0, 0)), "failed", "undecodable"),
}  # fmt: skip

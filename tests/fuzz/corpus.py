"""What the fuzzer mutates: data sets in every transfer syntax, files of others, recorded associations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import data_store
import imagecodecs
import numpy as np
import pydicom
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.proof.images import chest_pixels
from tests.support.receiving import Receiver, data_set_of
from tests.support.sources import cr, encoded

SAMPLES = Path(__file__).parents[2] / "sample_dicoms"
PYDICOM = Path(pydicom.__file__).parent / "data"
PYDICOM_DATA = Path(data_store.__file__).parent / "data"
LARGEST_BYTES = 100_000
_ROWS, _COLUMNS = 96, 80


@dataclass(frozen=True)
class Sample:
    """A data set, encoded, and what its sender says of it."""

    name: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data: bytes

    @classmethod
    def of(cls, name: str, ds: Dataset, transfer_syntax_uid: str | None = None) -> Sample:
        file = encoded(ds, transfer_syntax_uid)
        syntax = str(ds.file_meta.TransferSyntaxUID)
        return cls(name, str(ds.SOPClassUID), str(ds.SOPInstanceUID), syntax, data_set_of(file))


def data_sets() -> list[Sample]:
    """Return small radiographs in every transfer syntax, and pydicom's files made radiographs."""
    return [*_in_every_transfer_syntax(), *_shipped_with_pydicom()]


def files() -> list[bytes]:
    """Return whole files: those of the samples and of pydicom that are not large."""
    found = [*sorted(SAMPLES.glob("*.dcm")), *sorted(PYDICOM.rglob("*.dcm"))]
    return [path.read_bytes()[:LARGEST_BYTES] for path in found]


def associations(receiver: Receiver) -> list[bytes]:
    """Return what senders wrote to the network: a C-ECHO, a C-STORE in one go, and in small fragments."""
    return [_recorded(receiver, maximum_length) for maximum_length in (0, 1024, 16384)]


def _in_every_transfer_syntax() -> list[Sample]:
    pixels = chest_pixels(_ROWS, _COLUMNS)
    coded = {
        uid.JPEGBaseline8Bit: imagecodecs.jpeg_encode((pixels >> 4).astype(np.uint8), 90),
        uid.JPEGExtended12Bit: imagecodecs.jpeg_encode(pixels, 90, bitspersample=12),
        uid.JPEGLossless: imagecodecs.jpeg_encode(pixels, lossless=True, predictor=6, bitspersample=12),
        uid.JPEGLosslessSV1: imagecodecs.jpeg_encode(pixels, lossless=True, predictor=1, bitspersample=12),
        uid.JPEGLSNearLossless: imagecodecs.jpegls_encode(pixels, level=2),
        uid.HTJ2K: imagecodecs.htj2k_encode(pixels, reversible=True),
        uid.HTJ2KLossless: imagecodecs.htj2k_encode(pixels, reversible=True),
        uid.HTJ2KLosslessRPCL: imagecodecs.htj2k_encode(pixels, reversible=True),
        uid.JPEG2000: imagecodecs.jpeg2k_encode(pixels, 70, codecformat="j2k", bitspersample=12),
    }
    samples = []
    for syntax in TRANSFER_SYNTAXES:
        ds = cr()
        if syntax in coded:
            _replace_pixels(ds, syntax, coded[syntax])
        elif syntax == uid.ExplicitVRBigEndian:
            ds["PixelData"].VR = "OW"
        samples.append(Sample.of(str(uid.UID(syntax).name), ds, None if syntax in coded else syntax))
    return samples


def _replace_pixels(ds: Dataset, syntax: str, codestream: bytes) -> None:
    if syntax == uid.JPEGBaseline8Bit:
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit = 7
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([codestream])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def _shipped_with_pydicom() -> list[Sample]:
    samples = []
    for path in sorted(PYDICOM.rglob("*.dcm")):
        ds = chest_radiograph_of(path) if path.stat().st_size < LARGEST_BYTES else None
        if ds is not None:
            samples.append(Sample.of(path.name, ds))
    return samples


def chest_radiograph_of(path: Path) -> Dataset | None:
    """Return the file's data set with a header that asks for an answer, None where it cannot be encoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = dcmread(path, force=True)
            radiograph = cr()
            for keyword in (
                "SOPClassUID",
                "SOPInstanceUID",
                "StudyInstanceUID",
                "Modality",
                "BodyPartExamined",
            ):
                ds[keyword] = radiograph[keyword]
            ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            accepted = ds.file_meta.TransferSyntaxUID in TRANSFER_SYNTAXES
            return ds if accepted and encoded(ds) else None
        except Exception:  # what pydicom cannot write again
            return None


def _recorded(receiver: Receiver, maximum_length: int) -> bytes:
    written = bytearray()
    ae = AE("RECORDED")
    ae.add_requested_context(Verification)
    for sop_class in (uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation):
        ae.add_requested_context(sop_class, list(TRANSFER_SYNTAXES[:2]))
    handlers = [(evt.EVT_DATA_SENT, lambda event: written.extend(event.data))]
    address, port = receiver.address
    assoc = ae.associate(address, port, ae_title="CXR_GATEWAY", max_pdu=maximum_length, evt_handlers=handlers)
    assoc.send_c_echo()
    assoc.send_c_store(cr(pixels=chest_pixels(24, 20)))
    assoc.release()
    return bytes(written)

"""Radiographs to send: small, synthetic, valid until a test overrides an attribute."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from gateway.proof.images import chest_pixels

CHEST = {"CodeValue": "51185008", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Chest"}
POSTERO_ANTERIOR = {
    "CodeValue": "272479007",
    "CodingSchemeDesignator": "SCT",
    "CodeMeaning": "postero-anterior",
}
PLAIN_CHEST_XRAY = {
    "CodeValue": "399208008",
    "CodingSchemeDesignator": "SCT",
    "CodeMeaning": "Plain X-ray of chest",
}


def item(**attributes: Any) -> Dataset:
    """Return a sequence item; an attribute given as None is left out."""
    ds = Dataset()
    for keyword, value in attributes.items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def cr(**overrides: Any) -> Dataset:
    """Return a CR image of a chest; overrides by keyword, None removes an attribute."""
    return _radiograph(
        ComputedRadiographyImageStorage,
        {"Modality": "CR", "PhotometricInterpretation": "MONOCHROME2"} | overrides,
    )


def dx(**overrides: Any) -> Dataset:
    """Return a DX image of a chest for presentation; overrides by keyword, None removes an attribute."""
    attributes = {
        "Modality": "DX",
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "ImageLaterality": "U",
        "AnatomicRegionSequence": [item(**CHEST)],
        "ViewCodeSequence": [item(**POSTERO_ANTERIOR)],
        "ImagerPixelSpacing": [4.0, 4.0],
        "DetectorType": "DIRECT",
        "PositionerType": "NONE",
        "AcquisitionContextSequence": [],
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "US",
        "PresentationLUTShape": "IDENTITY",
        "LossyImageCompression": "00",
        "BurnedInAnnotation": "NO",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
    }
    return _radiograph(DigitalXRayImageStorageForPresentation, attributes | overrides)


def encoded(ds: Dataset, transfer_syntax_uid: str | None = None) -> bytes:
    """Return `ds` as a Part 10 file, in the given transfer syntax or in the one that it has."""
    if transfer_syntax_uid is not None:
        _transcode(ds, UID(transfer_syntax_uid))
    with BytesIO() as file:
        dcmwrite(file, ds, enforce_file_format=True)
        return file.getvalue()


def with_raw(values: dict[int, tuple[str, bytes]]) -> Dataset:
    """Return a DX image as read from a file in which these elements (tag: VR, value) hold these bytes."""
    ds = dcmread(BytesIO(encoded(dx())))
    for number, (vr, value) in values.items():
        tag = Tag(number)
        ds[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    return ds


def _transcode(ds: Dataset, transfer_syntax_uid: UID) -> None:
    if transfer_syntax_uid.is_encapsulated:
        ds.compress(transfer_syntax_uid, generate_instance_uid=False)
    ds.file_meta.TransferSyntaxUID = transfer_syntax_uid


def _radiograph(sop_class_uid: UID, attributes: dict[str, Any]) -> Dataset:
    pixels = attributes.pop("pixels", None)
    pixels = chest_pixels() if pixels is None else pixels
    defaults = _patient_and_study() | _image(pixels) | {"SOPClassUID": sop_class_uid}
    ds = item(**(defaults | attributes))
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def _patient_and_study() -> dict[str, Any]:
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPInstanceUID": generate_uid(prefix=None),
        "StudyInstanceUID": generate_uid(prefix=None),
        "SeriesInstanceUID": generate_uid(prefix=None),
        "PatientName": "Example^Edith",
        "PatientID": "P-0042",
        "PatientBirthDate": "19570312",
        "PatientSex": "F",
        "StudyDate": "20250401",
        "StudyTime": "101530",
        "StudyID": "S1",
        "AccessionNumber": "A-1001",
        "ReferringPhysicianName": "Referrer^Rita",
        "Manufacturer": "Example Imaging",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "PatientOrientation": ["L", "F"],
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
    }


def _image(pixels: NDArray[np.uint16]) -> dict[str, Any]:
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": pixels.tobytes(),
    }


def study_of_today(images: int = 1, **attributes: str) -> list[Dataset]:
    """Return a study of now unless its date is stated: a schedule looks back a few days, not for ever."""
    now = datetime.now().astimezone()
    shared = {
        "StudyInstanceUID": generate_uid(prefix=None),
        "SeriesInstanceUID": generate_uid(prefix=None),
        "StudyDate": f"{now:%Y%m%d}",
        "StudyTime": f"{now:%H%M%S}",
    }
    return [dx(**(shared | attributes)) for _ in range(images)]

"""Builds complete CR and DX objects (PS3.3 A.2, A.26) around stored values; all data are synthetic."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
)

Code = tuple[str, str, str]  # value, coding scheme, meaning

NAMESPACE = uuid.UUID("8d0e6f0c-53a9-5c0b-9f0f-3f4f4f2b7c11")
DATE, TIME = "20250102", "090000"
REGIONS: dict[str, Code] = {"CHEST": ("816094009", "SCT", "Chest"), "HAND": ("85562004", "SCT", "Hand")}
VIEWS: dict[str, Code] = {
    "PA": ("272479007", "SCT", "postero-anterior"),
    "LL": ("399173006", "SCT", "left lateral"),
}
SOP_CLASSES = {
    ("CR", True): ComputedRadiographyImageStorage,
    ("DX", True): DigitalXRayImageStorageForPresentation,
    ("DX", False): DigitalXRayImageStorageForProcessing,
}


@dataclass(frozen=True)
class SampleHeader:
    """Attributes of one sample; all other attributes are equal in all samples.

    `study` names the examination: samples with the same name share patient and study. `processed` is False
    for an image For Processing.
    """

    file: str
    study: str
    modality: str
    view: str = "PA"
    body_part: str = "CHEST"
    processed: bool = True
    patient_name: str = ""
    character_set: str | list[str] = "ISO_IR 192"


def uid(name: str) -> UID:
    """Return the UID of `name` under 2.25 (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.uuid5(NAMESPACE, name).int}")


def radiograph(header: SampleHeader, stored: NDArray[np.uint16], bits: int, spacing: float) -> FileDataset:
    """Return a complete object in Explicit VR Little Endian, MONOCHROME2, without a VOI transformation."""
    sop_class = SOP_CLASSES[header.modality, header.processed]
    ds = FileDataset("", {}, file_meta=_file_meta(sop_class, uid(header.file)), preamble=b"\0" * 128)
    ds.SpecificCharacterSet = header.character_set
    _patient_and_study(ds, header)
    _series_and_equipment(ds, header)
    _image(ds, header)
    _pixels(ds, stored, bits)
    if header.modality == "DX":
        _digital_x_ray(ds, header, spacing)
    else:
        _computed_radiography(ds, header, spacing)
    return ds


def _file_meta(sop_class: UID, instance: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("implementation")
    meta.ImplementationVersionName = "CXR_PHANTOM"
    return meta


def _patient_and_study(ds: Dataset, header: SampleHeader) -> None:
    ds.PatientName = header.patient_name or f"PHANTOM^{header.study.upper()}"
    ds.PatientID = f"PHANTOM-{header.study.upper()}"
    ds.PatientBirthDate = "19750101"
    ds.PatientSex = "O"
    ds.PatientAge = "050Y"
    ds.PatientComments = "Computed phantom. Not a person."
    ds.StudyInstanceUID = uid(f"study {header.study}")
    ds.StudyID = "1"
    ds.StudyDate, ds.StudyTime = DATE, TIME
    ds.StudyDescription = "Synthetic radiograph"
    ds.AccessionNumber = f"SYN-{header.study.upper()}"[:16]
    ds.ReferringPhysicianName = ""


def _series_and_equipment(ds: Dataset, header: SampleHeader) -> None:
    ds.Modality = header.modality
    ds.SeriesInstanceUID = uid(f"series {header.file}")
    ds.SeriesNumber = 1
    ds.SeriesDate, ds.SeriesTime = DATE, TIME
    ds.SeriesDescription = f"{header.body_part} {header.view}"
    ds.BodyPartExamined = header.body_part
    ds.ViewPosition = header.view
    ds.Manufacturer = "CXR Gateway"
    ds.ManufacturerModelName = "Sample generator"
    ds.InstitutionName = "No institution: synthetic"
    ds.DeviceSerialNumber = "0"
    ds.SoftwareVersions = "1"


def _image(ds: Dataset, header: SampleHeader) -> None:
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
    ds.InstanceNumber = 1
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.ContentDate, ds.ContentTime = DATE, TIME
    ds.AcquisitionDate, ds.AcquisitionTime = DATE, TIME
    ds.PatientOrientation = ["P", "F"] if header.view == "LL" else ["L", "F"]
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.PresentationLUTShape = "IDENTITY"
    ds.ImageComments = "Computed phantom, no patient"
    ds.KVP = 120 if header.body_part == "CHEST" else 50


def _pixels(ds: Dataset, stored: NDArray[np.uint16], bits: int) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = 0
    ds.PixelData = stored.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"


def _computed_radiography(ds: Dataset, header: SampleHeader, spacing: float) -> None:
    ds.ImagerPixelSpacing = [spacing, spacing]
    ds.PlateType = "Synthetic"
    ds.CassetteOrientation = "LANDSCAPE"
    if header.body_part == "HAND":
        ds.Laterality = "L"


def _digital_x_ray(ds: Dataset, header: SampleHeader, spacing: float) -> None:
    ds.PresentationIntentType = "FOR PRESENTATION" if header.processed else "FOR PROCESSING"
    ds.ImageLaterality = "L" if header.body_part == "HAND" else "U"
    ds.AnatomicRegionSequence = Sequence([code(REGIONS[header.body_part])])
    ds.ViewCodeSequence = Sequence([code(VIEWS[header.view])])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    ds.PositionerType = "NONE"
    ds.AcquisitionContextSequence = Sequence()
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.DetectorType = "DIRECT"
    ds.DetectorID = "PHANTOM"
    ds.ImagerPixelSpacing = [spacing, spacing]
    ds.Exposure = 3
    ds.DistanceSourceToDetector = 1800


def code(entry: Code) -> Dataset:
    """Return a code sequence item (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = entry
    return item

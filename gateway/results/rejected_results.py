"""Builds the note that rejects an answer's results at their destinations (PS3.3 A.35.4, TID 2010, IHE IOCM).

A worker builds it from the report's own header once a rejection note has withdrawn the image. The note has
the same title, and its UID follows from the report and the title: it is made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage

from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, OWN_NOTE, uid_from
from gateway.results.answer import SERIES_DESCRIPTION
from gateway.results.encoding import dicom_result
from gateway.results.identity import series_uid
from gateway.results.modules import code_dataset
from gateway.results.result import Result

SENTENCE = "The image of these research results was rejected; they must not be used."
_AFTER_REPORT = 8  # Series Number: 9 as last digit, where the report has 1
_COPIED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "IssuerOfPatientID"),
    *("IssuerOfPatientIDQualifiersSequence", "PatientAge", "PatientSize", "PatientWeight"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription"),
    *("ReferringPhysicianName", "IssuerOfAccessionNumberSequence", "ProcedureCodeSequence"),
    *("TimezoneOffsetFromUTC", "Manufacturer", "ManufacturerModelName", "DeviceSerialNumber"),
    *("SoftwareVersions", "ContributingEquipmentSequence", "ReferencedRequestSequence"),
)


@dataclass(frozen=True, slots=True)
class SentResult:
    """A DICOM result that is, or may be, at a destination."""

    sop_class_uid: str
    sop_instance_uid: str
    is_image: bool


def rejected_results(report: Dataset, sent: Sequence[SentResult], title: Code, when: datetime) -> Result:
    """Return the note.

    Parameters
    ----------
    report
        The answer's SR, whose patient, study and equipment the note has.
    sent
        What it rejects: results of this answer.
    title
        Of the rejection note that withdrew the image (PS3.16 CID 7011).
    when
        Aware; when the note is made.
    """
    note = Dataset()
    note.SpecificCharacterSet = "ISO_IR 192"
    note.SOPClassUID = KeyObjectSelectionDocumentStorage
    note.SOPInstanceUID = uid_from(f"rejection|{report.SOPInstanceUID}|{title.value}")
    for keyword in _COPIED:
        if keyword in report:
            note[keyword] = report[keyword]
    _series_and_document(note, report, when)
    note.CurrentRequestedProcedureEvidenceSequence = [_evidence(report, sent)]
    _content(note, sent, title)
    note.file_meta = _file_meta(note)
    return dicom_result(OWN_NOTE, note)


def _series_and_document(note: Dataset, report: Dataset, when: datetime) -> None:
    note.Modality = "KO"
    note.SeriesInstanceUID = series_uid(note.SOPInstanceUID)
    note.SeriesNumber = int(report.SeriesNumber) + _AFTER_REPORT
    note.SeriesDescription = SERIES_DESCRIPTION
    note.InstanceNumber = 1
    note.ReferencedPerformedProcedureStepSequence = []
    note.ContentDate = note.SeriesDate = note.InstanceCreationDate = f"{when:%Y%m%d}"
    note.ContentTime = note.SeriesTime = note.InstanceCreationTime = f"{when:%H%M%S.%f}"


def _content(note: Dataset, sent: Sequence[SentResult], title: Code) -> None:
    template = Dataset()
    template.MappingResource = "DCMR"
    template.TemplateIdentifier = "2010"
    note.ValueType = "CONTAINER"
    note.ConceptNameCodeSequence = [code_dataset(title)]
    note.ContinuityOfContent = "SEPARATE"
    note.ContentTemplateSequence = [template]
    described = _item("TEXT")
    described.ConceptNameCodeSequence = [code_dataset(codes.DCM.KeyObjectDescription)]
    described.TextValue = SENTENCE
    note.ContentSequence = [described, *map(_referring, sent)]


def _referring(result: SentResult) -> Dataset:
    item = _item("IMAGE" if result.is_image else "COMPOSITE")
    item.ReferencedSOPSequence = [_reference(result)]
    return item


def _item(value_type: str) -> Dataset:
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = value_type
    return item


def _evidence(report: Dataset, sent: Sequence[SentResult]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = report.StudyInstanceUID
    study.ReferencedSeriesSequence = [_series_of(each) for each in sent]
    return study


def _series_of(result: SentResult) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = series_uid(result.sop_instance_uid)
    series.ReferencedSOPSequence = [_reference(result)]
    return series


def _reference(result: SentResult) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = UID(result.sop_class_uid)
    reference.ReferencedSOPInstanceUID = UID(result.sop_instance_uid)
    return reference


def _file_meta(note: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = note.SOPClassUID
    meta.MediaStorageSOPInstanceUID = note.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta

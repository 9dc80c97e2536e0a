"""Key Object Selections that reject images, as a PACS sends them (IHE IOCM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    generate_uid,
)

from tests.support.sources import item


def title(
    code: str = "113001", scheme: str = "DCM", meaning: str = "Rejected for Quality Reasons"
) -> Dataset:
    return item(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def rejection(*uids: str, code: str = "113001", **overrides: Any) -> Dataset:
    """Return a note that rejects these images; overrides by keyword, None removes an attribute."""
    attributes = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": KeyObjectSelectionDocumentStorage,
        "SOPInstanceUID": generate_uid(prefix=None),
        "StudyInstanceUID": generate_uid(prefix=None),
        "SeriesInstanceUID": generate_uid(prefix=None),
        "Modality": "KO",
        "PatientName": "Example^Edith",
        "PatientID": "P-0042",
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": [title(code)],
        "ContinuityOfContent": "SEPARATE",
        "CurrentRequestedProcedureEvidenceSequence": [evidence(uids)],
        "ContentSequence": [content(uid) for uid in uids],
    }
    note = item(**(attributes | overrides))
    note.file_meta = FileMetaDataset()
    note.file_meta.MediaStorageSOPClassUID = note.SOPClassUID
    note.file_meta.MediaStorageSOPInstanceUID = note.SOPInstanceUID
    note.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return note


def content(uid: str) -> Dataset:
    return item(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=[reference(uid)])


def evidence(uids: Sequence[str]) -> Dataset:
    references = [reference(uid) for uid in uids]
    series = item(SeriesInstanceUID="1.2.100.1", ReferencedSOPSequence=references)
    return item(StudyInstanceUID="1.2.100", ReferencedSeriesSequence=[series])


def reference(uid: str) -> Dataset:
    with disable_value_validation():  # senders write what they like
        return item(
            ReferencedSOPClassUID=DigitalXRayImageStorageForPresentation, ReferencedSOPInstanceUID=uid
        )

"""The subject of an audit entry: the patient, study and instance of a data set."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset

from gateway.dicom import header
from gateway.dicom.part_10 import read_file
from gateway.telemetry.audit.message import Subject

_MAX_CHARACTERS = 1000
_LAST_TAG = 0x0020000D  # Study Instance UID


def subject_of(path: Path) -> Subject:
    """Return the subject of a Part 10 file; fields that cannot be read stay empty."""
    try:
        return subject_of_data_set(read_file(path, up_to=_LAST_TAG))
    except Exception:  # gone from the spool, or whatever a sender called DICOM
        return subject_of_data_set(Dataset())


def subject_of_data_set(ds: Dataset) -> Subject:
    """Return the subject of a data set; missing fields stay empty."""
    return Subject(
        _text(ds, "StudyInstanceUID"),
        _text(ds, "SOPClassUID"),
        tuple(filter(None, [_text(ds, "SOPInstanceUID")])),
        _text(ds, "PatientID"),
        _text(ds, "PatientName"),
        _text(ds, "AccessionNumber"),
    )


def _text(ds: Dataset, keyword: str) -> str:
    return "\\".join(header.texts(ds, keyword))[:_MAX_CHARACTERS]

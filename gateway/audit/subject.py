"""Whom a DICOM file is about."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset, dcmread

from gateway.audit.message import Subject

_KEYWORDS = [
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "AccessionNumber",
    "PatientName",
    "PatientID",
]


def subject_of(path: Path) -> Subject:
    """Return whom a Part 10 file is about; what cannot be read stays empty."""
    ds = _identity(path)
    return Subject(
        _text(ds, "StudyInstanceUID"),
        _text(ds, "SOPClassUID"),
        tuple(filter(None, [_text(ds, "SOPInstanceUID")])),
        _text(ds, "PatientID"),
        _text(ds, "PatientName"),
        _text(ds, "AccessionNumber"),
    )


def _identity(path: Path) -> Dataset:
    try:
        return dcmread(path, specific_tags=_KEYWORDS, stop_before_pixels=True)
    except Exception:  # gone from the spool, or whatever a sender called DICOM
        return Dataset()


def _text(ds: Dataset, keyword: str) -> str:
    try:
        return str(ds.get(keyword) or "")
    except Exception:  # a value that cannot be decoded
        return ""

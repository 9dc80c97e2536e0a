"""Reads the patient of an image for the pages: name, numbers, sex and age, and the view.

The pages ask `patient_of` where `web.show_patient` is set. No log holds the values.
"""

from __future__ import annotations

from pydicom import Dataset

from gateway.dicom import header
from gateway.dicom.value_representations import conforming
from gateway.imaging.age import age_of
from gateway.imaging.view import judge_view
from gateway.peer_text import clean
from gateway.records import Eligible, Patient

LAST_TAG = 0x00540220
"""The last attribute that `patient_of` reads: View Code Sequence."""
_NAME_CHARACTERS = 3 * 64 + 2  # PN: three groups (PS3.5 6.2)
_CHARACTERS = 64  # LO
_JOINERS = "\u200c\u200d"


def patient_of(ds: Dataset) -> Patient:
    """Return the patient by an image's header; what cannot be read stays empty.

    Text is decoded by Specific Character Set (PS3.5 6.1.2). The age is Patient's Age (0010,1010), or else
    counted from Patient's Birth Date to the study date.
    """
    return Patient(
        name=_name(ds),
        patient_id=_text(ds, "PatientID"),
        issuer=_text(ds, "IssuerOfPatientID") or _universal_issuer(ds),
        accession_number=_text(ds, "AccessionNumber"),
        sex=_sex(ds),
        age_years=next(iter(age_of(ds).known), None),
        study_date=_date(ds),
        view=_view(ds),
    )


def _name(ds: Dataset) -> str:
    """Return all groups of the name; joiners stay, which decide how Arabic and Indic letters join."""
    text = next(iter(header.texts(ds, "PatientName")), "")[:_NAME_CHARACTERS]
    kept = (each if each.isprintable() or each in _JOINERS else " " for each in text)
    return " ".join("".join(kept).split())


def _text(ds: Dataset, keyword: str) -> str:
    return clean(" ".join(" ".join(header.texts(ds, keyword)).split()), _CHARACTERS)


def _universal_issuer(ds: Dataset) -> str:
    """Return the Universal Entity ID of the issuer (PS3.3 10.14), where it has no name."""
    qualifiers = header.items(ds, "IssuerOfPatientIDQualifiersSequence")
    return next((_text(item, "UniversalEntityID") for item in qualifiers), "")


def _sex(ds: Dataset) -> str:
    sex = header.first_code_string(ds, "PatientSex")
    return sex if sex in ("M", "F", "O") else ""


def _date(ds: Dataset) -> str:
    return conforming("DA", next(iter(header.texts(ds, "StudyDate")), "")) or ""


def _view(ds: Dataset) -> str:
    stated = header.first_code_string(ds, "ViewPosition")
    if stated:
        return clean(stated, 16)
    judged = judge_view(ds)
    view = judged.view if isinstance(judged, Eligible) else judged.reason
    return "" if view == "unknown" else str(view)

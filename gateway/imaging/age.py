"""The patient's age at the time of the study, in years."""

from __future__ import annotations

import re
from datetime import date

from pydicom.dataset import Dataset

from gateway.imaging import header

_AGE_STRING = re.compile(r"(\d{3})([DWMY])")  # PS3.5 §6.2, AS
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_STUDY_DATES = ("StudyDate", "AcquisitionDate", "ContentDate", "SeriesDate")


def age_in_years(ds: Dataset) -> float | None:
    """Return Patient's Age, else the time from Patient's Birth Date to the study; None where unknown."""
    stated = _AGE_STRING.fullmatch(header.first_code_string(ds, "PatientAge"))
    if stated:
        return int(stated[1]) / _PER_YEAR[stated[2]]
    born = _date(ds, "PatientBirthDate")
    imaged = next(filter(None, (_date(ds, keyword) for keyword in _STUDY_DATES)), None)
    if born is None or imaged is None or imaged < born:
        return None
    return (imaged - born).days / _PER_YEAR["D"]


def _date(ds: Dataset, keyword: str) -> date | None:
    text = next(iter(header.texts(ds, keyword)), "").replace(".", "").replace("-", "")
    try:
        return date.fromisoformat(text) if len(text) == 8 else None
    except ValueError:
        return None

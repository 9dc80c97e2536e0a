"""The patient's age at the time of the study, from Patient's Age and from Patient's Birth Date.

`eligibility` compares both with the limits of the settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.dicom.value_representations import conforming

_AGE_STRING = re.compile(r"(\d{1,3})\s*([DWMY])[A-Z]*")  # PS3.5 6.2, AS; also `8M`, `45YRS`
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_STUDY_DATES = ("StudyDate", "AcquisitionDate", "ContentDate", "SeriesDate")
_AGREE_YEARS = 2.0  # apart: ages are cut to whole years, and the first of January stands for an unknown day


@dataclass(frozen=True, slots=True)
class Age:
    """Age in years; None where unknown.

    Attributes
    ----------
    stated
        Patient's Age (0010,1010).
    counted
        Years from Patient's Birth Date (0010,0030) to the study date.
    """

    stated: float | None
    counted: float | None

    @property
    def known(self) -> tuple[float, ...]:
        """The ages that are known, none to two of them."""
        return tuple(age for age in (self.stated, self.counted) if age is not None)

    @property
    def contradictory(self) -> bool:
        """True where the two ages differ by more than rounding explains (two years)."""
        return len(self.known) == 2 and abs(self.known[0] - self.known[1]) > _AGREE_YEARS


def age_of(ds: Dataset) -> Age:
    """Return the patient's age by both attributes; unreadable values count as absent."""
    return Age(_stated(ds), _counted(ds))


def _stated(ds: Dataset) -> float | None:
    stated = _AGE_STRING.fullmatch(header.first_code_string(ds, "PatientAge"))
    return int(stated[1]) / _PER_YEAR[stated[2]] if stated else None


def _counted(ds: Dataset) -> float | None:
    born = _date(ds, "PatientBirthDate")
    imaged = next(filter(None, (_date(ds, keyword) for keyword in _STUDY_DATES)), None)
    if born is None or imaged is None or imaged < born:
        return None
    return (imaged - born).days / _PER_YEAR["D"]


def _date(ds: Dataset, keyword: str) -> date | None:
    text = conforming("DA", next(iter(header.texts(ds, keyword)), ""))
    return date.fromisoformat(text) if text else None

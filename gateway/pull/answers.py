"""Answers to searches, DICOM or DICOM JSON, become studies, series and instances.

An answer is whatever the other side likes: one that names no UID, or another study than was asked for, counts
as none; texts are cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import date

from gateway.dicom.uid import is_uid
from gateway.peer_text import clean
from gateway.pull.query import FoundSeries, Query, compact, time_range
from gateway.store.entries import FoundInstance, FoundStudy

LONGEST_TEXT = 64
MAX_MODALITIES = 32

Told = Callable[[str], Sequence[str]]
"""Returns the values of an answer under a keyword, as text without padding; none where it is absent."""


def study_in(told: Told, query: Query) -> FoundStudy | None:
    """Return the study that an answer names; None for another one than was asked for.

    Every key is compared again: a source may leave out what it does not support (FF01), or all of them and
    name every study that it has.
    """
    uid = _uid(told, "StudyInstanceUID")
    stated = {
        "AccessionNumber": query.accession_number,
        "PatientID": query.patient_id,
        "StudyInstanceUID": query.study_instance_uid,
    }
    if not uid or not all(_equals(told, keyword, value) for keyword, value in stated.items()):
        return None
    day = _day(next(iter(told("StudyDate")), ""))
    if query.period and day and not compact(query.period.first) <= day <= compact(query.period.last):
        return None
    if not _is_in_time(told, query):
        return None
    modalities = sorted({each.upper()[:16] for each in told("ModalitiesInStudy")})
    return FoundStudy(uid, day, tuple(modalities[:MAX_MODALITIES]), _count(told))


def series_in(told: Told, study_instance_uid: str) -> FoundSeries | None:
    """Return the series that an answer names; None for one of another study."""
    uid = _uid(told, "SeriesInstanceUID")
    if not uid or not _agrees(told, "StudyInstanceUID", study_instance_uid):
        return None
    modality = next(iter(told("Modality")), "").upper()[:16]
    return FoundSeries(uid, modality, _text(told, "BodyPartExamined"), _text(told, "SeriesDescription"))


def instance_in(told: Told, keys: Mapping[str, str]) -> FoundInstance | None:
    """Return the instance that an answer names; None for one of another study or series."""
    uid = _uid(told, "SOPInstanceUID")
    if not uid or not all(_agrees(told, keyword, value) for keyword, value in keys.items()):
        return None
    return FoundInstance(uid, keys["SeriesInstanceUID"], _uid(told, "SOPClassUID"))


def _is_in_time(told: Told, query: Query) -> bool:
    """Tell whether a stated study time does not contradict the times that were asked for."""
    asked = time_range(query)
    stated = _digits(next(iter(told("StudyTime")), ""), {2, 4, 6})
    first, _, last = asked.partition("-")
    return not asked or not stated or first[: len(stated)] <= stated <= last


def _day(stated: str) -> str:
    """Return a date as a DA, also of 2026-11-03; empty where it cannot be read, as 03.11.2026."""
    digits = _digits(stated, {8})
    with suppress(ValueError):
        date.fromisoformat(digits)
        return digits
    return ""


def _digits(stated: str, lengths: Set[int]) -> str:
    """Return the digits of a date or a time; empty where it cannot be read."""
    digits = re.sub("[-.:]", "", stated)[: max(lengths)]
    return digits if digits.isascii() and digits.isdecimal() and len(digits) in lengths else ""


def _equals(told: Told, keyword: str, asked: str | None) -> bool:
    """Tell whether a response returns what was asked, as it must for a key that the standard requires."""
    return not asked or next(iter(told(keyword)), "") == asked.strip()


def _agrees(told: Told, keyword: str, asked: str | None) -> bool:
    """Tell whether a response does not contradict what was asked; a source need not return the key."""
    returned = next(iter(told(keyword)), "")
    return not asked or not returned or returned == asked.strip()


def _count(told: Told) -> int | None:
    stated = next(iter(told("NumberOfStudyRelatedInstances")), "")
    return int(stated) if stated.isascii() and stated.isdecimal() and len(stated) < 10 else None


def _uid(told: Told, keyword: str) -> str:
    uid = next(iter(told(keyword)), "")
    return uid if is_uid(uid) else ""


def _text(told: Told, keyword: str) -> str:
    return clean(" ".join(told(keyword)), LONGEST_TEXT)

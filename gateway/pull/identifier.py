"""Identifiers of C-FIND, C-GET and C-MOVE (PS3.4 C.4): encoded for a request, read from a response.

A response is whatever the other side likes: its elements are counted and its values cut, an identifier that
cannot be read or that names no UID counts as none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time

from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from gateway.dicom import header
from gateway.dicom.elements import Element
from gateway.dicom.octets import InMemory
from gateway.dicom.part_10 import data_set_of, elements_of
from gateway.dicom.uid import is_uid
from gateway.dicom.unreadable import Unreadable
from gateway.errors import GatewayError
from gateway.peer_text import clean
from gateway.pull.query import FoundSeries, Query
from gateway.store.entries import FoundInstance, FoundStudy

LONGEST_TEXT = 64
MAX_MODALITIES = 32

_UTF_8 = "ISO_IR 192"
_LONGEST_VALUE = 4096


def study_keys(query: Query) -> Dataset:
    """Return the identifier that asks for studies (PS3.4 Table C.6-5)."""
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    if not (query.patient_id or "").isascii() or not (query.accession_number or "").isascii():
        ds.SpecificCharacterSet = _UTF_8
    ds.StudyDate = _date_range(query)
    ds.StudyTime = _time_range(query)
    ds.AccessionNumber = query.accession_number or ""
    ds.PatientID = query.patient_id or ""
    ds.StudyInstanceUID = query.study_instance_uid or ""
    ds.ModalitiesInStudy = ""
    ds.NumberOfStudyRelatedInstances = None
    return ds


def series_keys(study_instance_uid: str) -> Dataset:
    """Return the identifier that asks for the series of a study."""
    ds = Dataset()
    ds.QueryRetrieveLevel = "SERIES"
    ds.StudyInstanceUID = study_instance_uid
    ds.SeriesInstanceUID = ds.Modality = ds.BodyPartExamined = ds.SeriesDescription = ""
    return ds


def instance_keys(study_instance_uid: str, series_instance_uid: str) -> Dataset:
    """Return the identifier that asks for the instances of a series."""
    ds = Dataset()
    ds.QueryRetrieveLevel = "IMAGE"
    ds.StudyInstanceUID = study_instance_uid
    ds.SeriesInstanceUID = series_instance_uid
    ds.SOPInstanceUID = ds.SOPClassUID = ""
    return ds


def retrieve_keys(study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str = "") -> Dataset:
    """Return the identifier that asks to send a series, or one instance of it (PS3.4 C.4.2.1.4)."""
    ds = Dataset()
    ds.QueryRetrieveLevel = "IMAGE" if sop_instance_uid else "SERIES"
    ds.StudyInstanceUID = study_instance_uid
    ds.SeriesInstanceUID = series_instance_uid
    if sop_instance_uid:
        ds.SOPInstanceUID = sop_instance_uid
    return ds


def encoded(ds: Dataset, transfer_syntax_uid: str) -> bytes:
    """Return an identifier as it is sent.

    Raises
    ------
    GatewayError
        If a key cannot be encoded.
    """
    found = encode(ds, transfer_syntax_uid == ImplicitVRLittleEndian, is_little_endian=True)
    if found is None:
        raise GatewayError("the search cannot be encoded: write identifiers of at most 64 characters")
    return found


def decoded(identifier: bytes, transfer_syntax_uid: str) -> Dataset | None:
    """Return the identifier of a response; None where it cannot be read."""
    read: list[tuple[Element, bytes]] = []
    try:
        for each in elements_of(InMemory(memoryview(identifier)), UID(transfer_syntax_uid), _LONGEST_VALUE):
            read += [(each, bytes(each.value))] if each.value is not None else []
    except Unreadable:
        return None
    return data_set_of(read, UID(transfer_syntax_uid))


def study_in(ds: Dataset, query: Query) -> FoundStudy | None:
    """Return the study that a response names; None for another one than was asked for.

    Every key is compared again: a source may leave out what it does not support (FF01), or all of them and
    name every study that it has.
    """
    uid = _uid(ds, "StudyInstanceUID")
    stated = {
        "AccessionNumber": query.accession_number,
        "PatientID": query.patient_id,
        "StudyInstanceUID": query.study_instance_uid,
    }
    if not uid or not all(_equals(ds, keyword, value) for keyword, value in stated.items()):
        return None
    day = next(iter(header.texts(ds, "StudyDate")), "").replace(".", "")[:8]
    if query.period and day and not _date(query.period.first) <= day <= _date(query.period.last):
        return None
    modalities = sorted({each[:16] for each in header.code_strings(ds, "ModalitiesInStudy")})
    count = header.integer(ds, "NumberOfStudyRelatedInstances")
    told = count if count is not None and 0 <= count < 1 << 31 else None
    return FoundStudy(uid, day if day.isdecimal() else "", tuple(modalities[:MAX_MODALITIES]), told)


def series_in(ds: Dataset, study_instance_uid: str) -> FoundSeries | None:
    """Return the series that a response names; None for one of another study."""
    uid = _uid(ds, "SeriesInstanceUID")
    if not uid or not _agrees(ds, "StudyInstanceUID", study_instance_uid):
        return None
    modality = header.first_code_string(ds, "Modality")[:16]
    return FoundSeries(uid, modality, _text(ds, "BodyPartExamined"), _text(ds, "SeriesDescription"))


def instance_in(ds: Dataset, keys: Mapping[str, str]) -> FoundInstance | None:
    """Return the instance that a response names; None for one of another study or series."""
    uid = _uid(ds, "SOPInstanceUID")
    if not uid or not all(_agrees(ds, keyword, value) for keyword, value in keys.items()):
        return None
    return FoundInstance(uid, keys["SeriesInstanceUID"], _uid(ds, "SOPClassUID"))


def _equals(ds: Dataset, keyword: str, asked: str | None) -> bool:
    """Tell whether a response returns what was asked, as it must for a key that the standard requires."""
    return not asked or next(iter(header.texts(ds, keyword)), "") == asked.strip()


def _agrees(ds: Dataset, keyword: str, asked: str | None) -> bool:
    """Tell whether a response does not contradict what was asked; a source need not return the key."""
    returned = next(iter(header.texts(ds, keyword)), "")
    return not asked or not returned or returned == asked.strip()


def _uid(ds: Dataset, keyword: str) -> str:
    uid = next(iter(header.texts(ds, keyword)), "")
    return uid if is_uid(uid) else ""


def _text(ds: Dataset, keyword: str) -> str:
    return clean(" ".join(header.texts(ds, keyword)), LONGEST_TEXT)


def _date(day: date) -> str:
    return f"{day:%Y%m%d}"


def _date_range(query: Query) -> str:
    period = query.period
    if period is None:
        return ""
    first, last = _date(period.first), _date(period.last)
    return first if first == last else f"{first}-{last}"


def _time_range(query: Query) -> str:
    period = query.period
    if period is None or period.first_time is None or period.last_time is None:
        return ""
    return f"{_time(period.first_time)}-{_time(period.last_time)}"


def _time(moment: time) -> str:
    return f"{moment:%H%M%S}"

"""Identifiers of C-FIND, C-GET and C-MOVE (PS3.4 C.4): encoded for a request, read from a response.

A response is whatever the other side likes: its elements are counted, long values are left out.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from gateway.dicom.elements import Element
from gateway.dicom.octets import InMemory
from gateway.dicom.part_10 import data_set_of, elements_of
from gateway.dicom.unreadable import Unreadable
from gateway.errors import GatewayError
from gateway.pull.query import Query, date_range, time_range

_UTF_8 = "ISO_IR 192"
_LONGEST_VALUE = 4096


def study_keys(query: Query) -> Dataset:
    """Return the identifier that asks for studies (PS3.4 Table C.6-5)."""
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    if not (query.patient_id or "").isascii() or not (query.accession_number or "").isascii():
        ds.SpecificCharacterSet = _UTF_8
    ds.StudyDate = date_range(query)
    ds.StudyTime = time_range(query)
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

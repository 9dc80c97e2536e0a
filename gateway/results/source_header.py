"""Reads the attributes that results copy from the image, so that every result conforms.

Absent attributes become empty. Malformed names and descriptions are shortened; other malformed values become
empty, because an almost correct identifier is wrong. Repairs are reported by keyword, never by value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from gateway.dicom import header as values
from gateway.dicom.character_sets import decoded, encodings_for
from gateway.dicom.value_representations import conforming, fitted
from gateway.errors import Reject
from gateway.records import Reason
from gateway.results.lossy_compression import complete_lossy_compression


@dataclass(frozen=True, slots=True)
class SourceHeader:
    """The part of an image's header that its results copy or refer to.

    Attributes
    ----------
    dataset
        Conforming attributes with a value only, text decoded.
    repairs
        Keywords of what was left out or shortened because it did not conform, and of a Specific Character
        Set that was not understood. Never values.
    """

    dataset: Dataset
    repairs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Macro:
    """Attributes of a data set or item; an incomplete item is dropped, and so are more than `most` items."""

    keywords: tuple[str, ...]
    sequences: Mapping[str, _Macro] = field(default_factory=dict)
    is_complete: Callable[[Dataset], bool] = bool
    most: int = 32


def _is_code(item: Dataset) -> bool:
    """Only a URN needs no coding scheme (PS3.3 8)."""
    in_scheme = ("CodeValue" in item or "LongCodeValue" in item) and "CodingSchemeDesignator" in item
    return "CodeMeaning" in item and (in_scheme or "URNCodeValue" in item)


def _is_issuer(item: Dataset) -> bool:
    """A Universal Entity ID means nothing without its type, nor the type without it (PS3.3 10.14)."""
    return bool(item) and ("UniversalEntityID" in item) == ("UniversalEntityIDType" in item)


_CODE = _Macro(
    (
        *("CodeValue", "LongCodeValue", "URNCodeValue"),
        *("CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"),
    ),
    is_complete=_is_code,
)
_UNIVERSAL = ("UniversalEntityID", "UniversalEntityIDType")
_ISSUER = _Macro(("LocalNamespaceEntityID", *_UNIVERSAL), is_complete=_is_issuer, most=1)
_QUALIFIERS = _Macro(
    (*_UNIVERSAL, "IdentifierTypeCode"),
    {
        "AssigningFacilitySequence": _ISSUER,
        "AssigningJurisdictionCodeSequence": _CODE,
        "AssigningAgencyOrDepartmentCodeSequence": _CODE,
    },
    is_complete=_is_issuer,
    most=1,
)
_ORDER_NUMBERS = ("PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest")
_REQUEST = _Macro(
    (
        "StudyInstanceUID",
        "AccessionNumber",
        "RequestedProcedureID",
        "RequestedProcedureDescription",
        "ScheduledProcedureStepID",
        "ScheduledProcedureStepDescription",
        *_ORDER_NUMBERS,
    ),
    {"RequestedProcedureCodeSequence": _CODE, "IssuerOfAccessionNumberSequence": _ISSUER},
)
_HEADER = _Macro(
    (
        *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"),
        *("SeriesNumber", "InstanceNumber"),
        *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
        *("PatientAge", "PatientSize", "PatientWeight"),
        *("StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
        *("ReferringPhysicianName", "TimezoneOffsetFromUTC", "AcquisitionDate", "AcquisitionTime"),
        *_ORDER_NUMBERS,
        *("PatientOrientation", "BurnedInAnnotation", "LossyImageCompression"),
        *("LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    ),
    {
        "IssuerOfPatientIDQualifiersSequence": _QUALIFIERS,
        "IssuerOfAccessionNumberSequence": _ISSUER,
        "ProcedureCodeSequence": _CODE,
        "RequestedProcedureCodeSequence": _CODE,
        "RequestAttributesSequence": _REQUEST,
    },
)
_FOR_PEOPLE = ("Name", "Description", "Meaning")  # endings of keywords
_REFERENCED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_ALLOWED = {
    "PatientSex": re.compile("M|F|O"),
    "BurnedInAnnotation": re.compile("YES|NO"),
    "LossyImageCompression": re.compile("00|01"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-](0\d|1[0-4])[0-5]\d", re.ASCII),
}


def source_header(source: Dataset) -> SourceHeader:
    """Read what results need from a received image; the pixels are neither read nor copied.

    Best given the data set as it was read: text that pydicom has already decoded with a wrong
    character set cannot be recovered.

    Raises
    ------
    Reject
        `undecodable`: no result can refer to an image without its SOP Class, SOP Instance, Study
        Instance and Series Instance UID.
    """
    repairs: list[str] = []
    header = _Reader(_encodings(source, repairs), repairs).read(source, _HEADER)
    missing = [keyword for keyword in _REFERENCED if keyword not in header]
    if missing:
        raise Reject(Reason.UNDECODABLE, f"no result can refer to the image without {', '.join(missing)}")
    _copy_size(header, source)
    complete_lossy_compression(header, source)
    return SourceHeader(header, tuple(dict.fromkeys(repairs)))


def _copy_size(header: Dataset, source: Dataset) -> None:
    rows, columns = (values.numbers(source, keyword) for keyword in ("Rows", "Columns"))
    if len(rows) == len(columns) == 1 and min(*rows, *columns) > 0:
        header.Rows, header.Columns = int(rows[0]), int(columns[0])


def _encodings(source: Dataset, repairs: list[str]) -> tuple[str, ...]:
    element = (
        source.get_item("SpecificCharacterSet", keep_deferred=True)
        if "SpecificCharacterSet" in source
        else None
    )
    encodings, understood = encodings_for(_texts(element.value, ("ascii",)) or () if element else ())
    if not understood:
        repairs.append("SpecificCharacterSet")
    return encodings or ("ascii",)


@dataclass(frozen=True, slots=True)
class _Reader:
    encodings: Sequence[str]
    repairs: list[str]

    def read(self, source: Dataset, macro: _Macro, within: str = "") -> Dataset:
        clean = Dataset()
        for keyword in macro.keywords:
            value = self._value(source, keyword, within) if keyword in source else None
            if value:
                setattr(clean, keyword, value)
        for keyword, item_macro in macro.sequences.items():
            items = self._items(source, keyword, item_macro) if keyword in source else []
            if items:
                setattr(clean, keyword, items)
        return clean

    def _value(self, source: Dataset, keyword: str, within: str) -> str | list[str] | None:
        element = source.get_item(keyword, keep_deferred=True)
        texts = _texts(element.value, self.encodings)
        values = _conforming_values(keyword, texts)
        if values is None:
            self.repairs.append(within + keyword)
            if texts is None or not keyword.endswith(_FOR_PEOPLE):
                return None
            values = [fitted(dictionary_VR(keyword), " ".join(texts))]
        return values if len(values) > 1 else values[0]

    def _items(self, source: Dataset, keyword: str, macro: _Macro) -> list[Dataset]:
        items = _sequence(source, keyword)
        clean = [self.read(item, macro, f"{keyword}.") for item in (items or ())[: macro.most]]
        complete = [item for item in clean if item and macro.is_complete(item)]
        if items is None or len(complete) < len(items):
            self.repairs.append(keyword)
        return complete


def _sequence(source: Dataset, keyword: str) -> Sequence[Dataset] | None:
    """Return the items, or None where they cannot be parsed."""
    try:
        items = source[keyword].value
        return items if all(isinstance(item, Dataset) for item in items or ()) else None
    except Exception:  # pydicom's parser raises whatever it stumbles over
        return None


def _texts(value: Any, encodings: Sequence[str]) -> list[str] | None:
    """Return the values of an element, be it still encoded or already converted by pydicom."""
    if value is None:
        return [""]
    if isinstance(value, PersonName):
        return _texts(value.original_string or str(value), encodings)
    if isinstance(value, bytes):
        text = decoded(value.rstrip(b"\x00 "), encodings)
        return None if text is None else text.split("\\")
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [str(each) for each in value] or [""]
    return str(value).split("\\")


def _conforming_values(keyword: str, texts: list[str] | None) -> list[str] | None:
    multiplicity = dictionary_VM(keyword)
    if texts is None or (multiplicity == "1" and len(texts) > 1):
        return None
    values = [conforming(dictionary_VR(keyword), text) for text in texts]
    allowed = _ALLOWED.get(keyword)
    if allowed and values[0] and not allowed.fullmatch(values[0]):
        return None
    if multiplicity == "2" and len(values) != 2 and values != [""]:
        return None
    return None if None in values else [value for value in values if value is not None]

"""Recognises the gateway's own results when a PACS sends them back. `eligibility` calls it."""

from __future__ import annotations

from pydicom.dataset import Dataset

from gateway.dicom import header

MANUFACTURER = "CXR GATEWAY"
SERIES_DESCRIPTION_PREFIX = "AI RESEARCH ONLY"
_PROCESSING_EQUIPMENT = ("109102", "DCM")
_ENOUGH = 2  # of three marks: a PACS may strip one, and a single mark proves nothing


def is_own_result(ds: Dataset, own_device_uids: frozenset[str]) -> bool:
    """Tell whether `ds` was made by a CXR Gateway.

    One of `own_device_uids` in the Contributing Equipment Sequence is proof. So are two of three marks:
    Content Qualification RESEARCH, the gateway's Manufacturer, the gateway's Series Description.
    """
    equipment = _processing_equipment(ds)
    if any(own_device_uids.intersection(header.texts(item, "DeviceUID")) for item in equipment):
        return True
    series_descriptions = header.code_strings(ds, "SeriesDescription")
    marks = (
        "RESEARCH" in header.code_strings(ds, "ContentQualification"),
        any(MANUFACTURER in header.code_strings(item, "Manufacturer") for item in (ds, *equipment)),
        any(text.startswith(SERIES_DESCRIPTION_PREFIX) for text in series_descriptions),
    )
    return sum(marks) >= _ENOUGH


def _processing_equipment(ds: Dataset) -> tuple[Dataset, ...]:
    return tuple(
        item
        for item in header.items(ds, "ContributingEquipmentSequence")
        if _PROCESSING_EQUIPMENT in header.codes(item, "PurposeOfReferenceCodeSequence")
    )

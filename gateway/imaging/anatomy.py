"""Which part of which body was imaged (PS3.3 C.8.11.2, PS3.16 CID 4009, PS3.16 L)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from gateway.imaging import header
from gateway.records import Ineligible, Reason

_CHEST_CODES = {
    ("816094009", "SCT"),
    ("51185008", "SCT"),
    ("39607008", "SCT"),
    ("T-D3000", "SRT"),
    ("T-28000", "SRT"),
}
_CHEST_BODY_PARTS = {"CHEST", "THORAX", "LUNG"}
_NO_BODY_PART = {"UNKNOWN", "UNSPECIFIED"}
_CHEST_WORDS = {"CHEST", "CXR", "LUNG", "LUNGE", "LUNGS", "POUMON", "POUMONS", "THORAX", "TORACE", "TORAX"}
_WIDER_WORDS = {"ABDOMEN", "CLAVICLE", "NECK", "PELVIS", "RIBS", "SHOULDER", "SPINE", "STERNUM"}
_HUMAN_CODES = {("337915000", "SCT"), ("L-85003", "SRT"), ("L-85B00", "SRT")}
_HUMAN_WORDS = {"HUMAN", "HOMO SAPIENS"}
_DESCRIPTIONS = (
    "SeriesDescription",
    "ProtocolName",
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
    "StudyDescription",
)


def refuse_other_anatomy(ds: Dataset) -> Ineligible | None:
    """Return why `ds` is not of a human chest, or None: the first attribute that tells decides.

    Anatomic Region Sequence, Body Part Examined, then the descriptions' words. A Body Part Examined that
    contradicts a chest in Anatomic Region Sequence is refused too.
    """
    if _is_animal(ds):
        return Ineligible(Reason.VETERINARY, "Patient Species is given and is not human.")
    regions = header.codes(ds, "AnatomicRegionSequence")
    parts = tuple(part for part in header.code_strings(ds, "BodyPartExamined") if part not in _NO_BODY_PART)
    if known := [code for code in regions if code[1] in header.STANDARD_SCHEMES]:
        if not _CHEST_CODES.issuperset(known):
            return Ineligible(Reason.NOT_CHEST, f"Anatomic Region is {header.quoted_codes(known)}.")
    elif not parts:
        return _refuse_by_words(ds)
    if not _CHEST_BODY_PARTS.issuperset(parts):
        return Ineligible(Reason.NOT_CHEST, f"Body Part Examined is {', '.join(map(header.quoted, parts))}.")
    return None


def _refuse_by_words(ds: Dataset) -> Ineligible | None:
    words = {word for keyword in _DESCRIPTIONS for word in header.words(ds, keyword)}
    if words & _WIDER_WORDS:
        return Ineligible(Reason.NOT_CHEST, "A description names another part of the body.")
    if not words & _CHEST_WORDS:
        return Ineligible(Reason.BODY_PART_UNKNOWN, "Nothing in the header says what was imaged.")
    return None


def _is_animal(ds: Dataset) -> bool:
    codes = header.codes(ds, "PatientSpeciesCodeSequence")
    descriptions = header.code_strings(ds, "PatientSpeciesDescription")
    return bool(codes or descriptions) and not (
        _HUMAN_CODES.intersection(codes) or _HUMAN_WORDS.intersection(descriptions)
    )

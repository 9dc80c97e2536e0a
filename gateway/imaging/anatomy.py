"""Refuses animals, computed images and other body parts by the header (PS3.3 C.8.11.2, PS3.16 CID 4009, L).

`eligibility` calls the three functions. Each returns a reason, or None where the header gives none.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.imaging.vocabulary import (
    CHEST,
    NO_PART,
    OTHER_PARTS,
    VIEWS,
    names_animal,
    names_computed_image,
    words_of,
)
from gateway.records import Ineligible, Reason

_CHEST_CODES = {
    ("816094009", "SCT"),
    ("51185008", "SCT"),
    ("39607008", "SCT"),
    ("T-D3000", "SRT"),
    ("T-28000", "SRT"),
}
_HUMAN_CODES = {("337915000", "SCT"), ("L-85003", "SRT"), ("L-85B00", "SRT")}
_HUMAN_WORDS = {"HUMAN", "HOMO", "SAPIENS"}
_OF_THE_IMAGE = ("SeriesDescription", "ProtocolName")
_OF_THE_STUDY = ("PerformedProcedureStepDescription", "RequestedProcedureDescription", "StudyDescription")
_OF_THE_DERIVATION = ("ImageType", "DerivationDescription", *_OF_THE_IMAGE)


def refuse_animal(ds: Dataset) -> Ineligible | None:
    """Return why the patient is not human: by Patient Species, else by words for animals."""
    codes = header.codes(ds, "PatientSpeciesCodeSequence")
    species = _words(ds, "PatientSpeciesDescription") - NO_PART
    if (codes or species) and not (_HUMAN_CODES.intersection(codes) or species & _HUMAN_WORDS):
        return Ineligible(Reason.VETERINARY, "Patient Species is given and is not human.")
    if names_animal(_words(ds, "BodyPartExamined", *_OF_THE_IMAGE, *_OF_THE_STUDY)):
        return Ineligible(Reason.VETERINARY, "Body Part Examined or a description names an animal.")
    return None


def refuse_computed_image(ds: Dataset) -> Ineligible | None:
    """Return why the image is computed from radiographs: bones suppressed, energies subtracted."""
    by_type = "BONE" in _words(ds, "ImageType")
    if by_type or names_computed_image(_words(ds, *_OF_THE_DERIVATION)):
        return Ineligible(
            Reason.DERIVED, "Image Type or a description says that bones or energies were subtracted."
        )
    return None


def refuse_other_anatomy(ds: Dataset) -> Ineligible | None:
    """Return why `ds` does not show a chest, or None.

    The first attribute with a known body part decides: Anatomic Region Sequence, Body Part Examined, then the
    words of the descriptions. A Body Part Examined that contradicts a chest in Anatomic Region Sequence is
    refused too.
    """
    regions = [_region(*item) for item in header.coded_items(ds, "AnatomicRegionSequence")]
    if other := [code for code, chest in regions if chest is False]:
        return Ineligible(Reason.NOT_CHEST, f"Anatomic Region is {header.quoted_codes(other)}.")
    parts = _words(ds, "BodyPartExamined")
    stated = ", ".join(map(header.quoted, header.code_strings(ds, "BodyPartExamined")))
    if parts & OTHER_PARTS:
        return Ineligible(Reason.NOT_CHEST, f"Body Part Examined is {stated}.")
    if parts & CHEST or any(chest for _, chest in regions):
        return None
    if parts <= NO_PART | VIEWS:
        return _refuse_by_words(_words(ds, *_OF_THE_IMAGE, *_OF_THE_STUDY))
    if _refuse_by_words(_words(ds, *_OF_THE_IMAGE)):
        return Ineligible(
            Reason.NOT_CHEST, f"Body Part Examined is {stated}, and no description says that it is a chest."
        )
    return None


def _region(code: tuple[str, str], meaning: str) -> tuple[tuple[str, str], bool | None]:
    """Return the code, and whether the region is the chest by code, else by meaning; None where unknown."""
    words = words_of(meaning)
    if code in _CHEST_CODES:
        return code, True
    if words & OTHER_PARTS:
        return code, False
    if words & CHEST:
        return code, True
    return code, False if code[1] in header.STANDARD_SCHEMES else None


def _refuse_by_words(words: frozenset[str]) -> Ineligible | None:
    if words & OTHER_PARTS:
        return Ineligible(Reason.NOT_CHEST, "A description names another part of the body.")
    if not words & CHEST:
        return Ineligible(Reason.BODY_PART_UNKNOWN, "Nothing in the header says what was imaged.")
    return None


def _words(ds: Dataset, *keywords: str) -> frozenset[str]:
    return frozenset(
        word for keyword in keywords for text in header.texts(ds, keyword) for word in words_of(text)
    )

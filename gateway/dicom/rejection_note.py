"""Key Object Selections that reject images (IHE IOCM; PS3.16 TID 2010, titles of CID 7011).

The worker's stages read them. Reading is bounded: a note whose references cannot be read in full is refused,
since a part of it would leave answers standing that were rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from gateway.dicom.header import codes, items, texts
from gateway.dicom.part_10 import read_elements
from gateway.dicom.uid import is_uid

TITLES = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}
"""Document titles that reject, by their code in DCM (PS3.16 CID 7011)."""

MOST_REFERENCES = 5_000
"""Images that a note may reject."""
_MOST_ELEMENTS = 100_000  # in a sequence of references; each takes seven
_LONGEST_SEQUENCE = 16 << 20  # bytes
_REFERENCING = {"IMAGE", "COMPOSITE", "WAVEFORM"}
_KEYWORDS = (
    *("SpecificCharacterSet", "SOPClassUID", "ConceptNameCodeSequence"),
    *("CurrentRequestedProcedureEvidenceSequence", "ContentSequence"),
)


class UnreadableNote(ValueError):  # noqa: N818 - describes the note
    """The references of a rejection note cannot be read in full."""


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """The title's code, and the SOP Instance UIDs of the rejected objects, each once."""

    code: str
    sop_instance_uids: tuple[str, ...]

    @property
    def title(self) -> str:
        """The title in words."""
        return TITLES[self.code]


def rejects(ds: Dataset) -> bool:
    """Tell whether a data set is a rejection note, by class and title."""
    return KeyObjectSelectionDocumentStorage in texts(ds, "SOPClassUID") and _title(ds) in TITLES


def read_rejection_note(path: Path) -> RejectionNote:
    """Read the rejection note in a file.

    Raises
    ------
    UnreadableNote
        If it references nothing, or more than may be read.
    Unreadable, OSError
        As `read_file`.
    """
    tags = {tag_for_keyword(keyword) or 0 for keyword in _KEYWORDS}
    ds = read_elements(path, tags, _LONGEST_SEQUENCE, most_in_sequence=_MOST_ELEMENTS)
    found = dict.fromkeys(_content(ds) or _evidence(ds))
    if not found:
        raise UnreadableNote("no reference of the rejection note can be read")
    if len(found) > MOST_REFERENCES:
        raise UnreadableNote(f"the rejection note has more than {MOST_REFERENCES} references")
    return RejectionNote(_title(ds), tuple(found))


def _title(ds: Dataset) -> str:
    return next((code for code, scheme in codes(ds, "ConceptNameCodeSequence") if scheme == "DCM"), "")


def _content(ds: Dataset) -> list[str]:
    """Return what the content tree references; that is what the title is about (TID 2010)."""
    found = items(ds, "ContentSequence")
    return [
        uid
        for item in found
        if _REFERENCING.intersection(texts(item, "ValueType"))
        for uid in _referenced(item)
    ]


def _evidence(ds: Dataset) -> list[str]:
    """Return the evidence, which lists the same objects (PS3.3 C.17.6.2), of a note without content."""
    return [
        uid
        for study in items(ds, "CurrentRequestedProcedureEvidenceSequence")
        for series in items(study, "ReferencedSeriesSequence")
        for uid in _referenced(series)
    ]


def _referenced(item: Dataset) -> list[str]:
    found = (texts(each, "ReferencedSOPInstanceUID") for each in items(item, "ReferencedSOPSequence"))
    return [uid for uids in found for uid in uids if is_uid(uid)]

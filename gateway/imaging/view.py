"""From where the chest was imaged: every attribute of the header that tells, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pydicom.dataset import Dataset

from gateway.imaging import header
from gateway.records import Eligible, Ineligible, Reason


class Direction(Enum):
    """What a view means for the model."""

    FRONTAL = "frontal"
    LATERAL = "lateral"
    OBLIQUE = "oblique"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one attribute says: `view` is AP, PA or frontal where `direction` is frontal."""

    stated: str
    direction: Direction
    view: str = "frontal"


_FRONTAL_CODES = {
    ("399348003", "SCT"): "AP",
    ("272479007", "SCT"): "PA",
    ("399033003", "SCT"): "frontal",
    ("R-10206", "SRT"): "AP",
    ("R-40888", "SRT"): "PA",
    ("R-10202", "SRT"): "frontal",
}
_LATERAL_CODES = {
    *((value, "SCT") for value in ("399067008", "399198007", "399173006")),
    *((value, "SRT") for value in ("R-102CD", "R-10232", "R-10236")),
}
_OBLIQUE_CODES = {  # of PS3.16 CID 4010
    ("260426006", "SCT"),  # medial oblique
    ("260427002", "SCT"),  # lateral oblique
    ("399004004", "SCT"),  # oblique axial
    ("399006002", "SCT"),  # left posterior oblique
    ("399038007", "SCT"),  # right posterior oblique
    ("399059000", "SCT"),  # postero-anterior oblique
    ("399099002", "SCT"),  # latero-medial oblique
    ("399132005", "SCT"),  # frontal-oblique axial
    ("399135007", "SCT"),  # left anterior oblique
    ("399160007", "SCT"),  # frontal oblique
    ("399182000", "SCT"),  # oblique
    ("399184004", "SCT"),  # left oblique
    ("399225005", "SCT"),  # oblique caudo-cranial
    ("399236003", "SCT"),  # right oblique
    ("399288005", "SCT"),  # oblique cranio-caudal
    ("399312000", "SCT"),  # antero-posterior oblique
    ("399325008", "SCT"),  # sagittal-oblique axial
    ("399356000", "SCT"),  # right anterior oblique
    ("399368009", "SCT"),  # medio-lateral oblique
}
_FRONTAL_WORDS = {"AP": "AP", "PA": "PA", "FRONTAL": "frontal"}
_LATERAL_WORDS = {"LL", "RL", "LATERAL", "LAT", "LLD", "RLD"}
_OBLIQUE_WORDS = {"OBLIQUE", "OBL", "RLO", "LLO", "RAO", "LAO", "RPO", "LPO"}
_ORIENTATIONS = {
    "L": Direction.FRONTAL,
    "R": Direction.FRONTAL,
    "A": Direction.LATERAL,
    "P": Direction.LATERAL,
}
_DESCRIPTIONS = {
    "SeriesDescription": "Series Description",
    "ProtocolName": "Protocol Name",
    "AcquisitionDeviceProcessingDescription": "Acquisition Device Processing Description",
}


def judge_view(ds: Dataset) -> Eligible | Ineligible:
    """Return the view by the first attribute that tells; refuse it where another contradicts.

    View Code Sequence, View Position, Patient Orientation, then the descriptions' words.
    """
    evidence = list(_evidence(ds))
    if not evidence:
        return Eligible("unknown")
    first = evidence[0]
    other = next((item for item in evidence if _contradict(first, item)), None)
    if other:
        return Ineligible(Reason.VIEW_CONFLICT, f"{_sentence(first)}, but {_sentence(other)}.")
    if first.direction is not Direction.FRONTAL:
        return Ineligible(Reason(first.direction.value), f"{_sentence(first)}.")
    return Eligible(first.view)


def _contradict(first: Evidence, other: Evidence) -> bool:
    return (first.direction is Direction.FRONTAL) != (other.direction is Direction.FRONTAL)


def _sentence(evidence: Evidence) -> str:
    return f"{evidence.stated} says {evidence.direction.value}"


def _evidence(ds: Dataset) -> Iterator[Evidence]:
    for code in header.codes(ds, "ViewCodeSequence"):
        yield from _of_code(code)
    for value in header.code_strings(ds, "ViewPosition"):
        yield from _of_words(f"View Position {header.quoted(value)}", {*header.words_of(value)})
    yield from _of_orientation(ds)
    for keyword, name in _DESCRIPTIONS.items():
        yield from _of_words(name, {*header.words(ds, keyword)})


def _of_code(code: tuple[str, str]) -> Iterator[Evidence]:
    stated = f"View Code {header.quoted_codes([code])}"
    if code in _FRONTAL_CODES:
        yield Evidence(stated, Direction.FRONTAL, _FRONTAL_CODES[code])
    elif code in _LATERAL_CODES:
        yield Evidence(stated, Direction.LATERAL)
    elif code in _OBLIQUE_CODES:
        yield Evidence(stated, Direction.OBLIQUE)


def _of_words(stated: str, words: set[str]) -> Iterator[Evidence]:
    """Words of several directions (`PA and lateral`) describe a study, not an image: they tell nothing."""
    frontal = [view for word, view in _FRONTAL_WORDS.items() if word in words]
    lateral, oblique = words & _LATERAL_WORDS, words & _OBLIQUE_WORDS
    if bool(frontal) + bool(lateral) + bool(oblique) != 1:
        return
    if frontal:
        yield Evidence(stated, Direction.FRONTAL, frontal[0] if len(frontal) == 1 else "frontal")
    else:
        yield Evidence(stated, Direction.LATERAL if lateral else Direction.OBLIQUE)


def _of_orientation(ds: Dataset) -> Iterator[Evidence]:
    """Patient Orientation: where the rows point to (PS3.3 C.7.6.1.1.1)."""
    values = header.code_strings(ds, "PatientOrientation")
    if len(values) == 2 and values[0][0] in _ORIENTATIONS:
        stated = f"Patient Orientation {header.quoted(values[0])}"
        yield Evidence(stated, _ORIENTATIONS[values[0][0]])

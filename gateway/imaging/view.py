"""Decides the view of a chest radiograph from all attributes that name one, and whether they agree.

`eligibility` calls it last. Details name attributes, never their free text, so they hold no patient data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.imaging.orientation import Orientation, Plane
from gateway.imaging.vocabulary import (
    frontal_views,
    lies_on_the_side,
    says_lateral,
    says_oblique,
    words_of,
)
from gateway.records import Eligible, Ineligible, Reason


class Direction(Enum):
    """Direction of a view; the model answers frontal views only."""

    FRONTAL = "frontal"
    LATERAL = "lateral"
    OBLIQUE = "oblique"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence of one attribute on the view.

    Attributes
    ----------
    stated
        Attribute and coded value, without free text.
    direction
        None where the words name several directions (`PA and lateral`): they describe a study, not an image.
    view
        AP, PA or frontal where `direction` is frontal.
    """

    stated: str
    direction: Direction | None
    view: str = "frontal"

    def __str__(self) -> str:
        return f"{self.stated} says {self.direction.value if self.direction else 'several views'}"


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
_BY_PLANE = {
    Plane.FRONTAL: Direction.FRONTAL,
    Plane.SAGITTAL: Direction.LATERAL,
    Plane.TILTED: Direction.OBLIQUE,
}
_OF_THE_IMAGE = {
    "BodyPartExamined": "Body Part Examined",
    "SeriesDescription": "Series Description",
    "ProtocolName": "Protocol Name",
    "AcquisitionDeviceProcessingDescription": "Acquisition Device Processing Description",
}
_OF_THE_STUDY = {
    "PerformedProcedureStepDescription": "Performed Procedure Step Description",
    "RequestedProcedureDescription": "Requested Procedure Description",
    "StudyDescription": "Study Description",
}


def judge_view(ds: Dataset) -> Eligible | Ineligible:
    """Return the view by the first attribute that names one; refuse contradictory attributes.

    The order is View Code Sequence, View Position, Patient Orientation, then the image's descriptions. The
    study's descriptions count only where all of these name no view. Descriptions that name several views
    leave the view undecided, and the image is refused.
    """
    evidence = list(_of_the_image(ds))
    directed = [item for item in evidence if item.direction]
    if not directed:
        evidence += _of_descriptions(ds, _OF_THE_STUDY)
        directed = [item for item in evidence if item.direction]
    if not directed:
        return _unknown(evidence)
    first, direction = directed[0], directed[0].direction
    other = next((item for item in directed if _contradict(first, item)), None)
    if other:
        return Ineligible(Reason.VIEW_CONFLICT, f"{first}, but {other}.")
    if direction is Direction.FRONTAL:
        return Eligible(first.view, _turned(ds))
    return Ineligible(Reason.LATERAL if direction is Direction.LATERAL else Reason.OBLIQUE, f"{first}.")


def _unknown(evidence: list[Evidence]) -> Eligible | Ineligible:
    if not evidence:
        return Eligible("unknown")
    detail = f"{evidence[0].stated} names several views, and nothing says which of them this is."
    return Ineligible(Reason.VIEW_CONFLICT, detail)


def _turned(ds: Dataset) -> tuple[str, ...]:
    orientation = _orientation(ds)
    return orientation.notes if orientation else ()


def _contradict(first: Evidence, other: Evidence) -> bool:
    return (first.direction is Direction.FRONTAL) != (other.direction is Direction.FRONTAL)


def _of_the_image(ds: Dataset) -> Iterator[Evidence]:
    for code, meaning in header.coded_items(ds, "ViewCodeSequence"):
        yield from _of_code(code, meaning)
    for value in header.code_strings(ds, "ViewPosition"):
        yield from _of_words(f"View Position {header.quoted(value)}", words_of(value))
    if orientation := _orientation(ds):
        yield Evidence(f"Patient Orientation {orientation}", _BY_PLANE[orientation.plane])
    yield from _of_descriptions(ds, _OF_THE_IMAGE)


def _of_descriptions(ds: Dataset, names: Mapping[str, str]) -> Iterator[Evidence]:
    for keyword, name in names.items():
        yield from _of_words(name, words_of(" ".join(header.texts(ds, keyword))))


def _of_code(code: tuple[str, str], meaning: str) -> Iterator[Evidence]:
    """Yield the evidence of a view code; a code outside CID 4010 counts by its meaning."""
    stated = f"View Code {header.quoted_codes([code])}"
    if code in _FRONTAL_CODES:
        yield Evidence(stated, Direction.FRONTAL, _FRONTAL_CODES[code])
    elif code in _LATERAL_CODES:
        yield Evidence(stated, Direction.LATERAL)
    elif code in _OBLIQUE_CODES:
        yield Evidence(stated, Direction.OBLIQUE)
    else:
        yield from _of_words(stated, words_of(meaning))


def _of_words(stated: str, words: frozenset[str]) -> Iterator[Evidence]:
    frontal, lateral = frontal_views(words), says_lateral(words)
    if lies_on_the_side(words):
        yield Evidence(stated, Direction.LATERAL)
    elif frontal and lateral:
        yield Evidence(stated, None)
    elif says_oblique(words):
        yield Evidence(stated, Direction.OBLIQUE)
    elif lateral:
        yield Evidence(stated, Direction.LATERAL)
    elif frontal:
        yield Evidence(stated, Direction.FRONTAL, next(iter(frontal)) if len(frontal) == 1 else "frontal")


def _orientation(ds: Dataset) -> Orientation | None:
    return Orientation.of(header.code_strings(ds, "PatientOrientation"))

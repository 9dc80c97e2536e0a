"""Encodes the content items of an SR (PS3.3 C.17.3), for `content_tree`.

An item is the bytes of its attributes in Explicit VR Little Endian, in the order of their tags.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

from pydicom.sr.coding import Code

from gateway.results.explicit_vr import element, sequence, text

CONTAINS = "CONTAINS"
HAS_ACQ_CONTEXT = "HAS ACQ CONTEXT"
HAS_CONCEPT_MOD = "HAS CONCEPT MOD"
HAS_OBS_CONTEXT = "HAS OBS CONTEXT"
INFERRED_FROM = "INFERRED FROM"
SELECTED_FROM = "SELECTED FROM"


def code_item(code: Code) -> bytes:
    """Return an item of a code sequence (PS3.3 8.8)."""
    return (
        text(0x00080100, "SH", code.value)
        + text(0x00080102, "SH", code.scheme_designator)
        + text(0x00080104, "LO", code.meaning)
    )


def container(concept: Code, *items: bytes, template: str | None = None) -> bytes:
    """Return a container that holds `items`; `template` is the number of its template in the DCMR.

    The items are kept apart: viewers print no labels in continuous content.
    """
    return (
        _head(CONTAINS, "CONTAINER", concept)
        + text(0x0040A050, "CS", "SEPARATE")
        + (_template(template) if template else b"")
        + sequence(0x0040A730, *items)
    )


def code(relationship: str, concept: Code, value: bytes) -> bytes:
    """Return an item of value type CODE; `value` is the item of a code sequence."""
    return _head(relationship, "CODE", concept) + sequence(0x0040A168, value)


def words(relationship: str, concept: Code, value: str) -> bytes:
    """Return an item of value type TEXT."""
    return _head(relationship, "TEXT", concept) + text(0x0040A160, "UT", value)


def uid_reference(relationship: str, concept: Code, uid: str) -> bytes:
    """Return an item of value type UIDREF."""
    return _head(relationship, "UIDREF", concept) + text(0x0040A124, "UI", uid)


def image(
    concept: Code,
    sop_class_uid: str,
    sop_instance_uid: str,
    relationship: str = CONTAINS,
    state: tuple[str, str] | None = None,
) -> bytes:
    """Return an item of value type IMAGE (PS3.3 C.18.4).

    Parameters
    ----------
    state
        SOP class and SOP instance of the presentation state that belongs to the item.
    """
    reference = _sop_reference(sop_class_uid, sop_instance_uid)
    if state is not None:
        reference += sequence(0x00081199, _sop_reference(*state))
    return sequence(0x00081199, reference) + _head(relationship, "IMAGE", concept)


def _sop_reference(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    return text(0x00081150, "UI", sop_class_uid) + text(0x00081155, "UI", sop_instance_uid)


def polyline(concept: Code, points: Iterable[tuple[float, float]], source: bytes) -> bytes:
    """Return an item of value type SCOORD, from which a number is inferred.

    Parameters
    ----------
    points
        (column, row) in pixels of the image: 0, 0 is the top left corner of its first pixel (PS3.3 C.18.6).
    source
        The image, an item that is `SELECTED FROM`.
    """
    return (
        _head(INFERRED_FROM, "SCOORD", concept)
        + sequence(0x0040A730, source)
        + element(0x00700022, "FL", b"".join(pack("<2f", *point) for point in points))
        + text(0x00700023, "CS", "POLYLINE")
    )


def number(concept: Code, value: float, unit: Code, *properties: bytes) -> bytes:
    """Return an item of value type NUM; Python writes `value` in at most 16 characters."""
    measured = (
        sequence(0x004008EA, code_item(unit))
        + element(0x0040A161, "FD", pack("<d", value))
        + text(0x0040A30A, "DS", str(value))
    )
    return (
        _head(CONTAINS, "NUM", concept) + sequence(0x0040A300, measured) + sequence(0x0040A730, *properties)
    )


def missing_number(concept: Code, reason: Code, *properties: bytes) -> bytes:
    """Return an item of value type NUM without a value; `reason` is of CID 42."""
    return (
        _head(CONTAINS, "NUM", concept)
        + sequence(0x0040A300)
        + sequence(0x0040A301, code_item(reason))
        + sequence(0x0040A730, *properties)
    )


def _head(relationship: str, value_type: str, concept: Code) -> bytes:
    return (
        text(0x0040A010, "CS", relationship)
        + text(0x0040A040, "CS", value_type)
        + sequence(0x0040A043, code_item(concept))
    )


def _template(identifier: str) -> bytes:
    return sequence(0x0040A504, text(0x00080105, "CS", "DCMR") + text(0x0040DB00, "CS", identifier))

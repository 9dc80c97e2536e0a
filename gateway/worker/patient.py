"""Tells whether an image that came again names another patient: a merge, or a correction.

`Stages` calls it for an image of which another data set has its answer. Names of attributes are told, values
never.
"""

from __future__ import annotations

from gateway.errors import Retry
from gateway.rules.attributes import Attributes, NoHeader, NoHeaderNow, header_of
from gateway.store.entries import StoredInstance

_NAMES = {
    "PatientID": "Patient ID",
    "PatientName": "Patient's Name",
    "PatientBirthDate": "Patient's Birth Date",
}


def patient_changes(instance: StoredInstance) -> tuple[str, ...]:
    """Return the patient's attributes that no answered data set under the same UID has like this one.

    A data set that has been deleted, or has no header, counts as the same patient's.

    Raises
    ------
    Retry
        If a header cannot be read now.
    """
    try:
        return _changes(instance)
    except NoHeaderNow as problem:
        raise Retry(f"the patient cannot be compared with an earlier data set's: {problem}") from problem


def _changes(instance: StoredInstance) -> tuple[str, ...]:
    changes: tuple[str, ...] = ()
    try:
        mine = header_of(instance.path)(_NAMES) if instance.answered else {}
        for earlier in instance.answered:
            changes = _differing(mine, header_of(earlier.path)(_NAMES))
            if not changes:
                return ()
    except NoHeaderNow:
        raise
    except NoHeader:
        pass
    return changes


def _differing(mine: Attributes, theirs: Attributes) -> tuple[str, ...]:
    return tuple(
        name
        for keyword, name in _NAMES.items()
        if _normal(mine.get(keyword, ())) != _normal(theirs.get(keyword, ()))
    )


def _normal(values: tuple[str, ...]) -> str:
    """Return values without the differences of spelling that are none: case, empty ends of a name."""
    return "\\".join(value.upper().rstrip("^= ") for value in values)

"""Checks single values against their value representation (PS3.5 6.2).

`results.source_header` and `imaging.age` call it: results must conform even where the image does not. Nothing
here raises or warns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from gateway.dicom.uid import is_uid

_MAX_LENGTH = {"SH": 16, "LO": 64, "ST": 1024, "LT": 10240, "UC": 2**32 - 2, "UT": 2**32 - 2}
_MAX_GROUPS, _MAX_GROUP_LENGTH, _MAX_COMPONENTS = 3, 64, 5  # of a Person Name
_PATTERN = {
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9 _]{1,16}"),
    "DS": re.compile(r"(?=.{1,16}$)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    "IS": re.compile(r"(?=.{1,12}$)[+-]?[0-9]{1,10}"),
    "TM": re.compile(r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?"),
    "UR": re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+"),
}
_SEPARATORS = {  # of ACR-NEMA 2.0 (PS3.5 6.2: DA, TM), and of ISO 8601
    "DA": (re.compile(r"([0-9]{4})([.-])([0-9]{2})\2([0-9]{2})"), r"\1\3\4"),
    "TM": (re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]{1,6})?))?"), r"\1\2\3"),
}
_LINE_BREAKS = re.compile(r"[\t\n\f\r]")


def conforming(vr: str, text: str) -> str | None:
    """Return one value of the given VR without padding, or None where the value does not conform.

    An empty value conforms. A replacement character (U+FFFD) does not. Separators in dates and times, as
    written by ACR-NEMA devices, are removed.
    """
    value = text.strip(" \x00")
    if vr in _SEPARATORS:
        pattern, digits = _SEPARATORS[vr]
        value = pattern.sub(digits, value) if pattern.fullmatch(value) else value
    if value == "":
        return ""
    return value if "\ufffd" not in value and _CHECKS[vr](value) else None


def fitted(vr: str, text: str) -> str:
    """Return `text` shortened and cleaned to conform to the VR of a name or description (PN, LO, SH)."""
    words = " ".join(text.replace("\ufffd", " ").split())
    if vr == "PN":
        return "=".join(_fitted_group(group) for group in words.split("=")[:_MAX_GROUPS])
    short = words[: _MAX_LENGTH[vr]]
    return short if conforming(vr, short) is not None else short[:-1]


def _fitted_group(group: str) -> str:
    *first, last = group.rstrip("^").split("^", _MAX_COMPONENTS - 1)
    return "^".join([*first, last.replace("^", " ")])[:_MAX_GROUP_LENGTH]


def _matches(vr: str) -> Callable[[str], bool]:
    return lambda value: _PATTERN[vr].fullmatch(value) is not None


def _fits(vr: str) -> Callable[[str], bool]:
    multi_line = vr in ("ST", "LT", "UT")
    return lambda value: _padded(value) <= _MAX_LENGTH[vr] and (multi_line or not _LINE_BREAKS.search(value))


def _padded(value: str) -> int:
    """Return the length of `value` as written: strict readers count the space that pads odd UTF-8."""
    return len(value) + len(value.encode()) % 2


def _is_date(value: str) -> bool:
    if not re.fullmatch(r"[0-9]{8}", value):
        return False
    try:
        date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return False
    return True


def _is_person_name(value: str) -> bool:
    groups = value.split("=")
    return (
        len(groups) <= _MAX_GROUPS
        and all(len(group) <= _MAX_GROUP_LENGTH and group.count("^") < _MAX_COMPONENTS for group in groups)
        and not _LINE_BREAKS.search(value)
    )


_CHECKS: dict[str, Callable[[str], bool]] = {
    **{vr: _matches(vr) for vr in _PATTERN},
    **{vr: _fits(vr) for vr in _MAX_LENGTH},
    "DA": _is_date,
    "UI": is_uid,
    "PN": _is_person_name,
}

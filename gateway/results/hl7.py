"""Encodes HL7 v2.5.1 segments (chapter 2, ER7): escapes, fields, and the data types of DICOM's values.

`observation_message` calls it. A value never ends its component: delimiters and control characters within it
are escaped (2.7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydicom.sr.coding import Code

from gateway.results.order import Authority

CharacterSet = Literal["UNICODE UTF-8", "8859/1"]
CODECS: dict[CharacterSet, str] = {"UNICODE UTF-8": "utf-8", "8859/1": "latin-1"}
"""Python's names of the values of MSH-18 (table 0211)."""

ENCODING_CHARACTERS = "^~\\&"
SEGMENT_END = "\r"

_SPECIAL = re.compile(r"[|^~\\&\x00-\x1f\x7f]")
_ESCAPES = {"|": "F", "^": "S", "&": "T", "~": "R", "\\": "E"}
_REPRESENTATIONS = ("A", "I", "P")  # of a name's groups: alphabetic, ideographic, phonetic (table 0465)
_FRACTION = 4  # digits of a second in a TS


@dataclass(frozen=True, slots=True)
class MessageRules:
    """The settings of the message; the fields are those of `settings.HL7Message`."""

    sending_application: str = "CXR_GATEWAY"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: Literal["P", "T", "D"] = "P"
    acknowledgement: Literal["original", "enhanced"] = "original"
    character_set: CharacterSet = "UNICODE UTF-8"
    corrected_status: Literal["P", "C"] = "P"
    pdf: bool = False


def escaped(text: str) -> str:
    """Return a value whose delimiters and control characters are escape sequences."""
    return _SPECIAL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\{_ESCAPES.get(found[0]) or f'X{ord(found[0]):02X}'}\\"


def components(*values: str) -> str:
    """Return a field of several components, without empty ones at its end."""
    return "^".join(map(escaped, values)).rstrip("^")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Return a segment with its end; `fields` are encoded already, by their numbers."""
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))]) + SEGMENT_END


def coded(code: Code) -> str:
    """Return a CE or CWE."""
    return components(code.value, code.meaning, code.scheme_designator)


def person_name(name: str) -> str:
    """Return a DICOM Person Name as repetitions of XPN, one for each of its groups.

    DICOM's order is family, given, middle, prefix, suffix (PS3.5 6.2), HL7's has the suffix before the prefix
    (2.A.88). A name that is not known has the type code U, as PID-5 must not be empty.
    """
    names = [
        _name(group, representation)
        for group, representation in zip(name.split("="), _REPRESENTATIONS, strict=False)
        if group.strip("^ ")
    ]
    return "~".join(names) or "^^^^^^U"


def _name(group: str, representation: str) -> str:
    family, given, middle, prefix, suffix, *_ = [part.strip() for part in group.split("^")] + [""] * 5
    return components(family, given, middle, suffix, prefix, "", "L", representation)


def identifier(value: str, authority: Authority, type_code: str) -> str:
    """Return a CX; empty without a value."""
    return f"{escaped(value)}^^^{_designator(authority)}^{escaped(type_code)}" if value else ""


def entity(value: str, authority: Authority) -> str:
    """Return an EI; empty without a value."""
    parts = authority.name, authority.universal_id, authority.universal_id_type
    return components(value, *parts) if value else ""


def _designator(authority: Authority) -> str:
    """Return an HD as a component: its parts are subcomponents."""
    parts = authority.name, authority.universal_id, authority.universal_id_type
    return "&".join(map(escaped, parts)).rstrip("&")


def time_stamp(time: datetime) -> str:
    """Return a TS of an aware time, to the second."""
    return time.strftime("%Y%m%d%H%M%S%z")


def dicom_time(day: str, time: str, offset: str) -> str:
    """Return a TS of DICOM's DA and TM, and of its offset from UTC where the image names one."""
    if not day or len(time) < len("HHMM"):
        return day
    whole, _, fraction = time.partition(".")
    return day + whole + (f".{fraction[:_FRACTION]}" if fraction else "") + offset

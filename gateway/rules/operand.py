"""The attribute that a clause of a condition looks at: which it is, and how its values are compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, tag_for_keyword

from gateway.rules.attributes import PULLED_FROM, Attributes

Value = str | float

LONGEST_PATH = 4
"""Levels of a path through sequences."""

_TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"}
_TIMES = {"DA", "DT", "TM"}
_NUMBERS = {"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "US or SS", "UV"}
_AGE = "AS"
_SEQUENCE = "SQ"
_NAMES_NOBODY = _NUMBERS | {"CS", "AE"}
_DATA_SET = 0x00080000  # the groups below are of commands and files (PS3.7 6.3, PS3.10 7.1)
_PATIENT = 0x0010
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")  # PS3.5 6.2, DS
_AGE_STRING = re.compile(r"([0-9]{1,3})([DWMY])")  # PS3.5 6.2, AS
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


class Unclear(Exception):  # noqa: N818 - describes the value
    """A value cannot be judged; the text names the attribute, not the value."""


@dataclass(frozen=True, slots=True)
class Operand:
    """An attribute by keyword, or by keywords through sequences; its first value, or any (`every`)."""

    name: str
    vr: str
    every: bool = False

    def __str__(self) -> str:
        return f"any({self.name})" if self.every else self.name

    @property
    def is_number(self) -> bool:
        """Numbers, and ages in years."""
        return self.vr in _NUMBERS or self.vr == _AGE

    @property
    def is_ordered(self) -> bool:
        """Numbers, dates and times have an order."""
        return self.is_number or self.vr in _TIMES

    def problem_with(self, literal: object) -> str:
        """Return why the literal is of another kind than the values; empty where it is of the same."""
        if isinstance(literal, bool) or not isinstance(literal, str | int | float):
            return f"compare {self.name} with a text in quotes or a number"
        if self.is_number and isinstance(literal, str):
            unit = " of years" if self.vr == _AGE else ""
            return f"{self.name} is a number{unit}: write it without quotes"
        if not self.is_number and not isinstance(literal, str):
            return f"{self.name} is text: write '{literal}' in quotes"
        if self.vr in _TIMES and not re.fullmatch(r"[0-9.+-]+", str(literal)):
            return f"{self.name} is written in digits, as 20261126 or 101530"
        return ""

    def literal(self, literal: Value) -> Value:
        """Return a literal as values are compared with it."""
        return literal.upper() if self.vr == "CS" and isinstance(literal, str) else literal

    def values(self, attributes: Attributes) -> list[Value]:
        """Return the values that count, in order; none of an absent attribute.

        Raises
        ------
        Unclear
            If one is to be a number and is none.
        """
        stated = self.stated(attributes)
        if self.is_number:
            return [self._number(each) for each in stated]
        return [each.upper() for each in stated] if self.vr == "CS" else list(stated)

    def stated(self, attributes: Attributes) -> Sequence[str]:
        """Return the values that count as they stand in the header."""
        stated = attributes.get(self.name, ())
        return stated if self.every else stated[:1]

    def told(self, attributes: Attributes) -> str:
        """Return the state of the attribute in words; a value that may tell who the patient is stays out."""
        stated = self.stated(attributes)
        if not stated:
            return f"{self.name} is absent"
        if self.vr in _NAMES_NOBODY and _tag(self.name) >> 16 != _PATIENT:
            return f"{self.name} is {', '.join(repr(each) for each in stated[:10])}"
        return f"{self.name} has another value"

    def _number(self, text: str) -> float:
        if self.vr == _AGE:
            age = _AGE_STRING.fullmatch(text)
            if age is None:
                raise Unclear(f"{self.name} is no age (PS3.5 6.2, AS)")
            return int(age[1]) / _PER_YEAR[age[2]]
        if not _NUMBER.fullmatch(text):
            raise Unclear(f"{self.name} is no number")
        return float(text)


def problem_with_path(path: Sequence[str]) -> str:
    """Return why the keywords name no attribute that a condition may look at; empty where they do."""
    if list(path) == [PULLED_FROM]:
        return ""
    if len(path) > LONGEST_PATH:
        return f"more than {LONGEST_PATH} keywords in {'.'.join(path)}"
    for place, keyword in enumerate(path):
        if tag_for_keyword(keyword) is None:
            return f"there is no attribute {keyword!r}{_suggested(keyword)}"
        vr = _vr(keyword)
        if place < len(path) - 1 and vr != _SEQUENCE:
            return f"{keyword} is no sequence: nothing is in it"
    return _problem_with_last(path[-1], _vr(path[-1]))


def operand(path: Sequence[str], *, every: bool = False) -> Operand:
    """Return the operand of keywords that have no problem."""
    vr = "AE" if list(path) == [PULLED_FROM] else _vr(path[-1])  # compared and told as a title is
    return Operand(".".join(path), vr, every)


def _problem_with_last(keyword: str, vr: str) -> str:
    if _tag(keyword) < _DATA_SET:
        return f"{keyword} is no attribute of the image's data set"
    if vr == _SEQUENCE:
        return f"{keyword} is a sequence: name an attribute in it, as {keyword}.CodeValue"
    if vr not in _TEXT | _TIMES | _NUMBERS | {_AGE}:
        return f"{keyword} holds neither text nor numbers"
    return ""


def _vr(keyword: str) -> str:
    return str(dictionary_VR(_tag(keyword)))


def _tag(name: str) -> int:
    return int(tag_for_keyword(name.split(".")[-1]) or 0)


def _suggested(name: str) -> str:
    close = get_close_matches(name.lower(), _keywords(), 1, 0.6)
    return f"; did you mean {_keywords()[close[0]]!r}?" if close else ""


@cache
def _keywords() -> dict[str, str]:
    """Return the keywords of PS3.6, and the gateway's own name, by their small letters."""
    known = {entry[4].lower(): entry[4] for entry in DicomDictionary.values() if entry[4]}
    return known | {PULLED_FROM: PULLED_FROM}

"""HL7 v2 messages as a sender sees them: what it must know of its own, and acknowledgements (2.9).

The destination `hl7` calls it. Receivers that end segments with LF, or with CR and LF, are understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SEGMENT_END = re.compile(r"[\r\n]+")
_ESCAPE = re.compile(r"\\(?:([FSTRE])|X((?:[0-9A-Fa-f]{2})+))\\")
_ESCAPED = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
_SEPARATORS = re.compile(r"[\^&~]")
_NAME_COMPONENTS = 5  # of XPN; those behind them are codes


class Malformed(ValueError):  # noqa: N818 - said of the bytes
    """The bytes are no HL7 v2 message, or no acknowledgement; the message completes a sentence."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """MSA-1, MSA-2, and what the receiver says besides (MSA-3, ERR).

    Attributes
    ----------
    errors
        Codes of HL7 table 0357: ERR-3, before version 2.5 ERR-1 and MSA-6.
    """

    code: str
    control_id: str
    text: str = ""
    errors: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


class Message:
    """A message's segments and fields."""

    def __init__(self, content: bytes) -> None:
        """Read a message in UTF-8, or in ISO 8859-1 where it is none.

        Raises
        ------
        Malformed
            If it does not begin with MSH.
        """
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        segments = [each for each in _SEGMENT_END.split(text.strip("\ufeff \t\r\n\0")) if each]
        if not segments or not segments[0].startswith("MSH") or len(segments[0]) < len("MSH|"):
            raise Malformed("it does not begin with MSH")
        separator = segments[0][3]
        self._segments = [each.split(separator) for each in segments]
        self._segments[0].insert(1, separator)  # MSH-1

    def field(self, name: str, number: int) -> str:
        """Return a field of the first segment of that name, still encoded; empty where there is none."""
        return next(self._fields(name, number), "")

    def _fields(self, name: str, number: int) -> Iterator[str]:
        for segment in self._segments:
            if segment[0].strip() == name:
                yield segment[number].strip() if number < len(segment) else ""

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.field("MSH", 10)

    @property
    def patient_id(self) -> str:
        """PID-3."""
        return self.field("PID", 3)

    @property
    def identifiers(self) -> set[str]:
        """The values by which the message names the patient and the order."""
        found = {self.field("PID", 7), self.field("OBR", 18)}
        found |= {_first(self.field(*place)) for place in (("PID", 3), ("OBR", 2), ("OBR", 3))}
        for name in self.field("PID", 5).split("~"):
            found |= set(name.split("^")[:_NAME_COMPONENTS])
        return {_unescaped(each) for each in found} - {""}

    def acknowledgement(self) -> Acknowledgement:
        """Return the message as an acknowledgement.

        Raises
        ------
        Malformed
            If it has no MSA.
        """
        code = self.field("MSA", 1).upper()
        if not code:
            raise Malformed("it has no MSA segment")
        errors = [self._error(number) for number in (8, 7, 3)]  # user message, diagnosis, code
        texts = dict.fromkeys([_unescaped(self.field("MSA", 3)), *errors])
        told = "; ".join(filter(None, texts))
        return Acknowledgement(code, self.field("MSA", 2), told, frozenset(self._error_codes()))

    def _error_codes(self) -> Iterator[str]:
        for name, number, component in (("ERR", 3, 0), ("ERR", 1, 3), ("MSA", 6, 0)):
            for field in self._fields(name, number):
                yield from (each.split("&")[0] for each in field.split("^")[component : component + 1])

    def _error(self, number: int) -> str:
        return " ".join(filter(None, _SEPARATORS.split(_unescaped(self.field("ERR", number)))))


def _first(field: str) -> str:
    return field.partition("~")[0].partition("^")[0]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1] or "") or _octets(found[2]), text)


def _octets(digits: str) -> str:
    return bytes.fromhex(digits).decode("latin-1")

"""Decodes DICOM text to `str` (PS3.5 6.1), including misspelt character sets that senders declare.

`header` and `results.source_header` call it. Decoding never raises: text that no encoding fits is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

_NUMBER = re.compile(r"IR\D*(\d+)$")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_ESCAPE = b"\x1b"
_ENCODINGS_BY_ESCAPE = CODES_TO_ENCODINGS | {b"\x1b-b": "iso8859_15"}
_READ_WITH_ESCAPES = "iso2022"  # these encodings of Python's take the escape sequence as part of the text
_BY_NUMBER = {"6": "ascii", "203": "iso8859_15"}
_BY_NAME = {"GB18030": "gb18030", "GBK": "gbk", "ISO 2022 GBK": "gbk", "UTF8": "utf-8"}


def encodings_for(declared: Iterable[str]) -> tuple[tuple[str, ...], bool]:
    """Return Python's encodings for the values of Specific Character Set (0008,0005).

    Returns
    -------
    The encodings in the declared order, and whether every value was understood. Misspellings such as
    `ISO IR 192`, `ISO-IR 192` and `UTF-8` are understood; other unknown values are skipped.
    """
    terms = [term.strip().upper() for term in declared]
    found = [_encoding(term) for term in terms]
    return tuple(encoding for encoding in found if encoding), all(found)


def decoded(value: bytes, encodings: Sequence[str]) -> str | None:
    """Return the text of `value`, or None where every encoding fails or yields control characters.

    The declared `encodings` are tried first, then UTF-8, then Windows-1252.
    """
    for encoding in (*encodings, "utf-8", "cp1252"):
        try:
            text = _decoded_with(value, encoding)
        except UnicodeError:
            continue
        if not _CONTROL.search(text):
            return text
    return None


def _encoding(term: str) -> str | None:
    if term == "":
        return "ascii"
    number = _NUMBER.search(term)
    if number is None:
        return _BY_NAME.get(term.replace("-", ""))
    if number[1] in _BY_NUMBER:
        return _BY_NUMBER[number[1]]
    return python_encoding.get(f"ISO_IR {number[1]}") or python_encoding.get(f"ISO 2022 IR {number[1]}")


def _decoded_with(value: bytes, encoding: str) -> str:
    """Decode; an escape sequence switches the encoding (PS3.3 C.12.1.1.2)."""
    first, *switched = value.split(_ESCAPE)
    return first.decode(encoding) + "".join(_fragment(_ESCAPE + rest) for rest in switched)


def _fragment(fragment: bytes) -> str:
    for code, encoding in _ENCODINGS_BY_ESCAPE.items():
        if fragment.startswith(code):
            kept = fragment if encoding.startswith(_READ_WITH_ESCAPES) else fragment[len(code) :]
            return kept.decode(encoding)
    return fragment.decode("ascii")

"""Reads header values tolerantly: a malformed value counts as absent; nothing raises or warns.

Eligibility, decoding and the worker's description of an image read every header value through this module.
pydicom warns or raises on the malformed values that real devices write, so elements that are still encoded
are parsed here from their bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.dicom.character_sets import decoded, encodings_for

_BINARY = {"US": "u2", "SS": "i2", "US or SS": "u2", "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8"}
_LARGEST = 1e30  # larger numbers make no sense in pixel arithmetic, and some overflow
_BLANKS = " \0\t\r\n"
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")  # PS3.5 §6.2, DS
_CODE = re.compile(r"[A-Z0-9.-]{1,16} (SCT|SRT)")
_LONGEST_CODE = 256
STANDARD_SCHEMES = ("SCT", "SRT")
_SNOMED_CT_URN = re.compile(r"(?:SNOMED|2\.16\.840\.1\.113883\.6\.96)\D(?:.*\D)?(\d{6,18})$")
_ALPHABETS = {"ascii", "iso8859", "latin_1", "iso8859_2", "iso8859_3", "iso8859_4", "iso8859_9", "iso8859_15"}
_SNOMED_RT = ("SRT", "SNM3", "99SDM")  # PS3.16 §8.1
_CODE_STRING = re.compile(r"[A-Z0-9 _]{1,16}")


def texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the element's values as text without surrounding blanks; empty values are left out."""
    values = (str(value).strip(_BLANKS) for value in _values(ds, keyword))
    return tuple(value for value in values if value)


def code_strings(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """Return the element's values in upper case (PS3.5 §6.2, CS)."""
    return tuple(value.upper() for value in texts(ds, keyword))


def first_code_string(ds: Dataset, keyword: str) -> str:
    """Return the element's first value in upper case, or an empty string."""
    return next(iter(code_strings(ds, keyword)), "")


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """Return the element's values as finite numbers; empty when any value is not a number."""
    places = numbers_by_place(ds, keyword)
    found = tuple(value for value in places if value is not None)
    return found if len(found) == len(places) else ()


def numbers_by_place(ds: Dataset, keyword: str) -> tuple[float | None, ...]:
    """Return each of the element's values as a finite number; None for an empty or unreadable value."""
    stated = [str(value).strip(_BLANKS) for value in _values(ds, keyword)]
    while stated and not stated[-1]:
        stated.pop()
    return tuple(_number(text) for text in stated)


def integers(ds: Dataset, keyword: str) -> tuple[int, ...]:
    """Return the element's values as whole numbers; empty when any value is not whole."""
    values = numbers(ds, keyword)
    return tuple(int(value) for value in values) if all(value.is_integer() for value in values) else ()


def integer(ds: Dataset, keyword: str) -> int | None:
    """Return the element's first value as a whole number, or None."""
    return next(iter(integers(ds, keyword)), None)


def items(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence (PS3.5 7.5); empty where it cannot be parsed."""
    try:
        value = ds[keyword].value if keyword in ds else ()
        return tuple(item for item in value if isinstance(item, Dataset))
    except Exception:  # a malformed sequence fails inside pydicom in any number of ways
        return ()


def binary(ds: Dataset, keyword: str) -> bytes:
    """Return the element's bytes; 16-bit words are in little endian order."""
    element = _element(ds, keyword)
    if element is None or element.value is None:
        return b""
    if isinstance(element.value, bytes | bytearray):
        data = bytes(element.value)
        return data if _is_little_endian(ds, element) else swap_bytes(data)
    words = [int(value) & 0xFFFF for value in integers(ds, keyword)]
    return np.array(words, "<u2").tobytes()


def swap_bytes(data: bytes) -> bytes:
    """Return `data` with the two bytes of every 16-bit word exchanged."""
    return np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()


def codes(ds: Dataset, keyword: str) -> tuple[tuple[str, str], ...]:
    """Return (code, Coding Scheme Designator) of each item with a code; see `coded_items`."""
    return tuple(code for code, _ in coded_items(ds, keyword) if code[0])


def coded_items(ds: Dataset, keyword: str) -> tuple[tuple[tuple[str, str], str], ...]:
    """Return (code, scheme) and Code Meaning of each item (PS3.3 8).

    The code is Code Value, Long Code Value or URN Code Value. SNOMED CT codes in a URN get the scheme SCT;
    the older designators of SNOMED RT become SRT (PS3.16 8.1).
    """
    return tuple((_code(item), next(iter(texts(item, "CodeMeaning")), "")) for item in items(ds, keyword))


def _code(item: Dataset) -> tuple[str, str]:
    kinds = ("CodeValue", "LongCodeValue", "URNCodeValue")
    value = next(filter(None, (first_code_string(item, kind) for kind in kinds)), "")
    scheme = first_code_string(item, "CodingSchemeDesignator")
    if snomed_ct := _SNOMED_CT_URN.search(value[:_LONGEST_CODE]):
        return snomed_ct[1], "SCT"
    return value, "SRT" if scheme in _SNOMED_RT else scheme


def quoted(value: str) -> str:
    """Return `value` if it is a Code String, else a phrase without patient data: safe to log."""
    return value if _CODE_STRING.fullmatch(value) else "a value that is not a Code String"


def quoted_codes(found: Iterable[tuple[str, str]]) -> str:
    """Return codes as text without patient data: safe to log."""
    return ", ".join(
        f"({value}, {scheme})" if _CODE.fullmatch(f"{value} {scheme}") else "an unreadable code"
        for value, scheme in found
    )


def _element(ds: Dataset, keyword: str) -> DataElement | RawDataElement | None:
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in ds:
        return None
    element = ds.get_item(tag, keep_deferred=True)  # else pydicom converts an empty value, whatever its VR
    return element if isinstance(element, DataElement | RawDataElement) else None


def _is_little_endian(ds: Dataset, element: DataElement | RawDataElement) -> bool:
    if isinstance(element, RawDataElement):
        return element.is_little_endian
    return ds.original_encoding[1] is not False


def _values(ds: Dataset, keyword: str) -> list[Any]:
    element = _element(ds, keyword)
    if element is None or element.value is None:
        return []
    if isinstance(element, RawDataElement):
        return _parse(ds, element)
    return list(element.value) if isinstance(element.value, MultiValue | list | tuple) else [element.value]


def _parse(ds: Dataset, element: RawDataElement) -> list[Any]:
    vr = element.VR if element.VR not in (None, "UN") else dictionary_VR(element.tag)
    value = element.value or b""
    if vr not in _BINARY:
        return list(_text(ds, value).split("\\"))
    dtype = np.dtype("<>"[not element.is_little_endian] + _BINARY[vr])
    return list(np.frombuffer(value, dtype, count=len(value) // dtype.itemsize).tolist())


def _text(ds: Dataset, value: bytes) -> str:
    """Decode by Specific Character Set; UTF-8 is recognised where a single-byte character set is declared."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    encodings, _ = encodings_for(_declared(ds).split("\\"))
    if _ALPHABETS.issuperset(encodings):
        encodings = ("utf-8", *encodings)
    text = decoded(value, encodings)
    return value.decode("latin-1") if text is None else text


def _declared(ds: Dataset) -> str:
    element = _element(ds, "SpecificCharacterSet")
    value = element.value if element is not None and element.value else ""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else "\\".join(map(str, value))


def _number(text: str) -> float | None:
    value = float(text) if _DECIMAL.fullmatch(text) else math.inf
    return value if abs(value) <= _LARGEST else None

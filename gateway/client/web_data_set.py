"""Data sets in the answers of DICOMweb servers: DICOM JSON (PS3.18 F), Native DICOM Model (PS3.19 A.1).

`gateway/deliver/stow.py` reads Store Instances Responses by it, `gateway/pull/web_source.py` search results.
Servers write them in many shapes: an object or an array, tags in lower case or keywords, numbers as text,
XML, a multipart body around it. All of them are read alike, whatever Content-Type says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.parsers import expat

from pydicom.datadict import tag_for_keyword

from gateway.client.http import is_page
from gateway.peer_text import clean

DataSet = Mapping[str, Sequence[Any]]
"""Values by tag (eight hexadecimal digits, upper case); items of a sequence are data sets."""


class Unreadable(ValueError):  # noqa: N818 - said of the answer
    """The answer holds no data set; the message is the end of a sentence about the server."""


def data_sets_of(content: bytes) -> list[DataSet]:
    """Return the data sets of an answer; none of an empty one.

    Raises
    ------
    Unreadable
        If it is something else than DICOM JSON or XML.
    """
    body = _unwrapped(content).strip(b"\0\t\r\n ")
    if not body:
        return []
    if is_page(body):
        raise Unreadable("a web page answered, not a DICOMweb server")
    try:
        return list(_of_xml(body)) if body.lstrip(b"\xef\xbb\xbf").startswith(b"<") else list(_of_json(body))
    except (ValueError, RecursionError, expat.ExpatError) as error:
        raise Unreadable(f"its answer cannot be read ({clean(error, 100)})") from None


def texts(data_set: DataSet, tag: str) -> list[str]:
    """Return the values of an element as text, without padding."""
    return [str(value).strip("\0 ") for value in data_set.get(tag, ()) if value is not None]


def items(data_set: DataSet, tag: str) -> list[DataSet]:
    """Return the items of a sequence."""
    return [item for item in data_set.get(tag, ()) if isinstance(item, dict)]


def number(data_set: DataSet, tag: str) -> int | None:
    """Return the first value of an element as a number, also where it is text: 272, 0110, 0x0110, A700H."""
    for text in texts(data_set, tag):
        digits = text.lower().removeprefix("0x").removesuffix("h")
        is_decimal = digits == text and digits.isdecimal() and not digits.startswith("0")
        try:
            return int(digits, 10 if is_decimal else 16)
        except ValueError:
            continue
    return None


def _unwrapped(content: bytes) -> bytes:
    """Return the first part of a multipart body, any other body as it is."""
    stripped = content.lstrip()
    if not stripped.startswith(b"--"):
        return content
    boundary, _, rest = stripped.partition(b"\n")
    _, separator, part = rest.replace(b"\r\n", b"\n").partition(b"\n\n")
    return part.partition(b"\n" + boundary.strip())[0] if separator else content


def _of_json(body: bytes) -> Iterator[DataSet]:
    content = json.loads(body)
    for each in content if isinstance(content, list) else [content]:
        if not isinstance(each, dict):
            raise ValueError(f"a data set is a JSON object, not {type(each).__name__}")
        yield _normal(each)


def _normal(model: Mapping[str, Any]) -> DataSet:
    return {_tag(key): [_normal_value(value) for value in _values(each)] for key, each in model.items()}


def _normal_value(value: Any) -> Any:
    return _normal(value) if isinstance(value, dict) else value


def _tag(key: str) -> str:
    tag = tag_for_keyword(key)
    return key.strip("() ").replace(",", "").upper() if tag is None else f"{tag:08X}"


def _values(element: Any) -> list[Any]:
    if isinstance(element, dict):
        element = next((value for key, value in element.items() if key.lower() == "value"), [])
    return element if isinstance(element, list) else [element]


def _of_xml(body: bytes) -> Iterator[DataSet]:
    reader = _NativeModel()
    reader.read(body)
    return iter(reader.data_sets)


class _NativeModel:
    """Builds data sets while expat walks the document; namespaces do not matter."""

    def __init__(self) -> None:
        self.data_sets: list[DataSet] = []
        self._open: list[dict[str, list[Any]]] = []  # data sets, the innermost last
        self._elements: list[list[Any]] = []  # values of the elements around
        self._text: list[str] | None = None

    def read(self, body: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse  # no entities: they could grow without end
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(body, True)

    def _refuse(self, *_: Any) -> None:
        raise ValueError("it declares a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(" ")[2]:
            case "NativeDicomModel":
                self._begin(self.data_sets)
            case "Item" if self._elements:
                self._begin(self._elements[-1])
            case "DicomAttribute" if self._open:
                values: list[Any] = []
                self._open[-1][_tag(attributes.get("tag") or attributes.get("keyword", ""))] = values
                self._elements.append(values)
            case "Value":
                self._text = []

    def _begin(self, holder: list[Any]) -> None:
        data_set: dict[str, list[Any]] = {}
        holder.append(data_set)
        self._open.append(data_set)

    def _end(self, name: str) -> None:
        match name.rpartition(" ")[2]:
            case "NativeDicomModel" | "Item" if self._open:
                self._open.pop()
            case "DicomAttribute" if self._elements:
                self._elements.pop()
            case "Value" if self._elements and self._text is not None:
                self._elements[-1].append("".join(self._text))
                self._text = None

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

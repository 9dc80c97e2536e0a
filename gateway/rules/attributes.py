"""Values of the header attributes that conditions name, read from a received file by one reader, always.

`deliver.routing` asks for them once results are encoded, and again for every later question: the same file
and the same condition give the same decision. Each read is bounded; no pixel is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from gateway.dicom.header import items, texts
from gateway.dicom.part_10 import read_elements
from gateway.dicom.unreadable import Unreadable

LONGEST_ELEMENT = 1 << 20
"""Bytes; a longer element counts as absent. Sequences of procedure codes have a few kilobytes."""
MOST_VALUES = 100
"""Values of an attribute that are looked at."""
LONGEST_VALUE = 1024
"""Characters of a value that are looked at."""

PULLED_FROM = "pulled_from"
"""Name of the source that an image was fetched from; no value where a peer sent it. No header has it."""

_SPECIFIC_CHARACTER_SET = 0x00080005

Attributes = Mapping[str, tuple[str, ...]]
"""Values by name, as text without surrounding blanks; an absent or empty attribute has none."""

HeaderReader = Callable[[Collection[str]], Attributes]
"""Reads the named attributes of one image; raises `NoHeader`."""


class NoHeader(Exception):  # noqa: N818 - describes the image
    """The header of an image cannot be read; the text says why, without patient data."""


class NoHeaderNow(NoHeader):
    """The file is there, and its disk does not give the header now."""


def header_of(path: Path) -> HeaderReader:
    """Return the reader of a Part 10 file; the file is read once for each set of names."""

    @cache
    def read(names: frozenset[str]) -> Attributes:
        return _read(path, names)

    return lambda names: read(frozenset(names))


def of_image(header: HeaderReader, pulled_from: str | None) -> HeaderReader:
    """Return the reader of an image: of its header, which is read where a name is in it, and of its row."""

    def read(names: Collection[str]) -> Attributes:
        in_header = frozenset(names) - {PULLED_FROM}
        found = header(in_header) if in_header else {}
        return {**found, PULLED_FROM: (pulled_from,) if pulled_from else ()}

    return read


def no_header(_: Collection[str]) -> Attributes:
    """Read the header of an image whose file is not at hand."""
    raise NoHeader("its file is not at hand")


def attributes_of(ds: Dataset, names: Collection[str]) -> Attributes:
    """Return the named attributes of a data set; `A.B` is B in each item of the sequence A."""
    return {name: tuple(_values(ds, name.split("."))) for name in names}


def _read(path: Path, names: Collection[str]) -> Attributes:
    tags = {tag_for_keyword(name.split(".")[0]) or 0 for name in names} | {_SPECIFIC_CHARACTER_SET}
    try:
        return attributes_of(read_elements(path, tags, LONGEST_ELEMENT), names)
    except Unreadable as problem:
        raise NoHeader(f"its header cannot be read: {problem.reason}") from None
    except FileNotFoundError as error:
        raise NoHeader(f"its file cannot be read: {error.strerror}") from error
    except OSError as error:
        raise NoHeaderNow(f"its file cannot be read: {error.strerror}") from error


def _values(ds: Dataset, path: list[str]) -> Iterator[str]:
    for number, value in enumerate(_all_values(ds, path)):
        if number == MOST_VALUES:
            return
        yield value[:LONGEST_VALUE]


def _all_values(ds: Dataset, path: list[str]) -> Iterator[str]:
    first, *rest = path
    if not rest:
        yield from texts(ds, first)
        return
    for item in items(ds, first):
        yield from _all_values(item, rest)

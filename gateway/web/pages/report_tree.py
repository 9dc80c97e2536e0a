"""The content tree of an SR for reading (PS3.3 C.17.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from gateway.dicom.part_10 import read_file

MAX_DEPTH = 16
_TEXT = {
    "TEXT": "TextValue",
    "UIDREF": "UID",
    "PNAME": "PersonName",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One content item: its concept name, its value, what it contains."""

    name: str
    value: str
    items: tuple[Item, ...]


def read_tree(path: Path) -> Item | None:
    """Return the tree of an SR file, None where it cannot be read."""
    try:
        return _item(read_file(path), 0)
    except Exception:  # a file that somebody else has changed or deleted
        return None


def _item(ds: Dataset, depth: int) -> Item:
    children = ds.get("ContentSequence") or () if depth < MAX_DEPTH else ()
    return Item(
        _meaning(ds, "ConceptNameCodeSequence"), _value(ds), tuple(_item(c, depth + 1) for c in children)
    )


def _value(ds: Dataset) -> str:
    kind = str(ds.get("ValueType", ""))
    if kind in _TEXT:
        return str(ds.get(_TEXT[kind], ""))
    if kind == "CODE":
        return _meaning(ds, "ConceptCodeSequence")
    if kind == "NUM":
        measured = (ds.get("MeasuredValueSequence") or [Dataset()])[0]
        return f"{measured.get('NumericValue', '')} {_code(measured, 'MeasurementUnitsCodeSequence')}".strip()
    if kind in ("IMAGE", "COMPOSITE"):
        referenced = (ds.get("ReferencedSOPSequence") or [Dataset()])[0]
        return str(referenced.get("ReferencedSOPInstanceUID", ""))
    return ""


def _meaning(ds: Dataset, keyword: str) -> str:
    return str((ds.get(keyword) or [Dataset()])[0].get("CodeMeaning", ""))


def _code(ds: Dataset, keyword: str) -> str:
    return str((ds.get(keyword) or [Dataset()])[0].get("CodeValue", ""))

"""Writes an image's values for the viewer in the browser. `rendering` calls it in the sandbox.

The file is a mark, the length of a JSON head (uint32), the head, and the parts that the head lists. Numbers
are little endian. The first part begins at the next multiple of 8 bytes, and offsets count from there. The
browser windows the cells by the table of grey values, and reads the value under the cursor from the table of
modality values, so that one transfer serves both.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.imaging.aspect import square_size
from gateway.imaging.decode import decode_frame
from gateway.imaging.modality import modality_values, rescale
from gateway.web.viewer.spacing import spacing_of

MARK = b"CXR2"
PREFIX = struct.Struct("<4sI")
_ALIGNMENT = 8
_UNITS = {  # PS3.3 C.11.1.1.2
    "HU": "HU",
    "OD": "thousandths of optical density",
    "PCT": "%",
    "MGML": "mg/ml",
    "ED": "10²³ electrons/ml",
    "Z_EFF": "effective atomic number",
    "US": "",
}


def values_file(ds: Dataset) -> bytes:
    """Return the file with all values of an image.

    The head holds `rows`, `columns`; `square`, rows and columns with square pixels; `value`, the name and the
    unit of values; `spacing`, or null; `parts`, by name: `cells` (uint8 or uint16, the pixel cells), `grey`
    (uint16, display value of each pattern of a cell, 65535 is white), `modality` (float64, modality value of
    each pattern), and with a display shutter `visible` (uint8, eight pixels in each, the first is the
    highest bit).

    Raises
    ------
    Reject
        As `decode`.
    """
    frame = decode_frame(ds)
    cells = frame.stored.cells
    patterns = int(cells.max()) + 1
    modality = modality_values(ds, frame.stored).values[:patterns]
    parts: dict[str, NDArray[Any]] = {"grey": frame.table[:patterns], "modality": modality, "cells": cells}
    if frame.visible is not None:
        parts["visible"] = np.packbits(frame.visible)
    spacing = spacing_of(ds)
    return _joined(
        {
            "rows": cells.shape[0],
            "columns": cells.shape[1],
            "square": square_size(ds, (cells.shape[0], cells.shape[1]))[0],
            "value": _named(ds),
            "spacing": asdict(spacing) if spacing else None,
        },
        parts,
    )


def read_values_file(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the head and the parts of a file of values, as the browser reads them."""
    mark, length = PREFIX.unpack_from(content)
    if mark != MARK:
        raise ValueError("not a file of values")
    head = json.loads(content[PREFIX.size : PREFIX.size + length])
    start = _aligned(PREFIX.size + length)
    return head, {
        name: np.frombuffer(content, part["type"], part["length"], start + part["offset"])
        for name, part in head["parts"].items()
    }


def _named(ds: Dataset) -> dict[str, str]:
    """Return the name and the unit of values: by Modality LUT Type, else by Rescale Type."""
    tables = header.items(ds, "ModalityLUTSequence")
    if tables:
        return {
            "name": "modality value",
            "unit": _unit(header.first_code_string(tables[0], "ModalityLUTType")),
        }
    if not rescale(ds).is_stated:
        return {"name": "stored value", "unit": ""}
    return {"name": "modality value", "unit": _unit(header.first_code_string(ds, "RescaleType"))}


def _unit(stated: str) -> str:
    return _UNITS.get(stated, stated)


def _joined(head: dict[str, Any], parts: dict[str, NDArray[Any]]) -> bytes:
    offset = 0
    listed, contents = {}, []
    for name, part in parts.items():
        content = np.ascontiguousarray(part, part.dtype.newbyteorder("<")).tobytes()
        listed[name] = {"type": part.dtype.name, "offset": offset, "length": part.size}
        content += bytes(_aligned(len(content)) - len(content))
        contents.append(content)
        offset += len(content)
    text = json.dumps(head | {"parts": listed}).encode()
    padding = bytes(_aligned(PREFIX.size + len(text)) - PREFIX.size - len(text))
    return b"".join((PREFIX.pack(MARK, len(text)), text, padding, *contents))


def _aligned(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT

"""Images of a few pixels whose grey values can be worked out by hand."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom import dcmread, dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from gateway.imaging.decode import decode


def tiny_image(values: ArrayLike, bits: int = 8, signed: bool = False, **attributes: Any) -> Dataset:
    """Return a MONOCHROME2 DX image of `values`; attributes by keyword replace or add, None removes."""
    allocated = 8 if bits <= 8 else 16
    cells = np.atleast_2d(np.asarray(values)).astype(
        f"<i{allocated // 8}" if signed else f"<u{allocated // 8}"
    )
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition = "DX", "CHEST", "PA"
    ds.Rows, ds.Columns = cells.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, bits, bits - 1
    ds.PixelRepresentation = int(signed)
    ds.add_new("PixelData", "OW" if allocated == 16 else "OB", _even(cells.tobytes()))
    for keyword, value in attributes.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def everything(bits: int = 8, signed: bool = False) -> dict[str, float]:
    """Return the window that shows the least value of so many bits black and the greatest white."""
    lowest = -(1 << (bits - 1)) if signed else 0
    return {"WindowCenter": lowest + (1 << (bits - 1)), "WindowWidth": 1 << bits}


def chest(**attributes: Any) -> Dataset:
    """Return a chest image that says nothing of its view."""
    return tiny_image([[0, 255]], **({"ViewPosition": None} | attributes))


def code(value: str, scheme: str = "SCT", meaning: str = "in words") -> list[Dataset]:
    """Return a code sequence of one item (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


def look_up_table(first: int, bits: int, entries: list[int], packed: bool = False) -> Dataset:
    """Return an item of a Modality LUT Sequence or VOI LUT Sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) & 0xFFFF, first, bits])
    item.add_new("LUTData", "OW", _even(np.array(entries, "u1" if packed else "<u2").tobytes()))
    return item


def raw(ds: Dataset, keyword: str, vr: str | None, value: bytes | None) -> Dataset:
    """Put bytes as they came from the network into `ds`, undecoded."""
    tag = Tag(tag_for_keyword(keyword))
    ds[tag] = RawDataElement(tag, vr, len(value or b""), value, 0, vr is None, True)
    return ds


def reread(ds: Dataset) -> Dataset:
    """Return `ds` after a trip through a file."""
    file = io.BytesIO()
    dcmwrite(file, ds, enforce_file_format=False)
    file.seek(0)
    return dcmread(file, force=True)


def grey(ds: Dataset) -> list[int]:
    """Return the decoded pixels, row by row."""
    return decode(ds).pixels.ravel().tolist()


def scaled(*fractions: float) -> list[int]:
    """Return fractions of white as 16-bit grey values."""
    return np.rint(np.array(fractions) * 65535).astype(int).tolist()


def ramp(bits: int, rows: int = 24, columns: int = 40) -> NDArray[np.uint16]:
    """Return a picture that uses all of 0 to 2**bits - 1, shape (rows, columns)."""
    return np.linspace(0, (1 << bits) - 1, rows * columns).astype(np.uint16).reshape(rows, columns)


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)

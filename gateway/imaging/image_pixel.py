"""Reads and checks the Image Pixel module of a single grey frame (PS3.3 C.7.6.3). `decode` calls it."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.errors import Reject
from gateway.records import Reason

MAX_MEGAPIXELS = 100.0
"""Default limit in millions of pixels: a plate of 43 × 43 cm at 50 µm has 74."""


@dataclass(frozen=True, slots=True)
class ImagePixel:
    """Layout of the stored values in the pixel data.

    Attributes
    ----------
    rows, columns
        Size of the frame.
    bits_allocated
        8 or 16.
    bits_stored, high_bit
        Position of the stored value in a pixel cell: `bits_stored` bits, the most significant at `high_bit`.
    signed
        Whether stored values are two's complement (Pixel Representation).
    inverted
        Whether the lowest value is displayed white (MONOCHROME1).
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    inverted: bool


def read_image_pixel(ds: Dataset, max_megapixels: float = MAX_MEGAPIXELS) -> ImagePixel:
    """Return the layout of the single grey frame in `ds`.

    Raises
    ------
    Reject
        MULTI_FRAME, COLOUR, TOO_LARGE, or UNDECODABLE where the module is incomplete or contradicts itself.
    """
    _require_one_frame(ds)
    photometric_interpretation = _grey_interpretation(ds)
    rows, columns = _size(ds, max_megapixels)
    bits_allocated = _one_of(ds, "BitsAllocated", range(8, 17, 8))
    bits_stored = _one_of(ds, "BitsStored", range(1, bits_allocated + 1))
    high_bit = header.integer(ds, "HighBit")
    if high_bit is None or not bits_stored <= high_bit + 1 <= bits_allocated:
        high_bit = bits_stored - 1
    signed = _one_of(ds, "PixelRepresentation", range(2)) == 1
    inverted = photometric_interpretation == "MONOCHROME1"
    return ImagePixel(rows, columns, bits_allocated, bits_stored, high_bit, signed, inverted)


def _require_one_frame(ds: Dataset) -> None:
    frames = header.integer(ds, "NumberOfFrames")
    if frames is not None and frames > 1:
        raise Reject(Reason.MULTI_FRAME, f"The image has {frames} frames; one is expected.")


def _grey_interpretation(ds: Dataset) -> str:
    value = header.first_code_string(ds, "PhotometricInterpretation")
    samples = header.integer(ds, "SamplesPerPixel")
    if value in ("MONOCHROME1", "MONOCHROME2") and samples in (None, 1):
        return value
    if value.startswith("MONOCHROME") or not value:
        raise Reject(Reason.UNDECODABLE, "Photometric Interpretation does not say which value is white.")
    raise Reject(Reason.COLOUR, f"Photometric Interpretation is {header.quoted(value)}, not MONOCHROME.")


def _size(ds: Dataset, max_megapixels: float) -> tuple[int, int]:
    rows = _one_of(ds, "Rows", range(1, 65536))
    columns = _one_of(ds, "Columns", range(1, 65536))
    require_decodable_size(rows, columns, max_megapixels)
    return rows, columns


def require_decodable_size(rows: int, columns: int, max_megapixels: float) -> None:
    """Raise `Reject` (TOO_LARGE) for an image beyond the limit, before memory is allocated."""
    if rows * columns > max_megapixels * 1_000_000:
        raise Reject(Reason.TOO_LARGE, f"{rows} × {columns} pixels are more than {max_megapixels:g} million.")


def _one_of(ds: Dataset, keyword: str, allowed: range) -> int:
    value = header.integer(ds, keyword)
    if value is None or value not in allowed:
        stated = "absent or unreadable" if value is None else str(value)
        raise Reject(Reason.UNDECODABLE, f"{keyword} is {stated}; a grey radiograph cannot have that.")
    return value

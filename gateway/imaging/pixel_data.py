"""Decodes Pixel Data, in any accepted transfer syntax, to stored values. `decode` calls it."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from gateway.dicom import header
from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.errors import Reject
from gateway.imaging.encapsulated import decode_codestream
from gateway.imaging.image_pixel import ImagePixel
from gateway.imaging.jpeg import FrameHeader
from gateway.imaging.stored_values import Cells, StoredValues, as_coded, as_stored
from gateway.records import Reason

_CELLS_KEPT = (RLELossless, JPEGLossless, JPEGLosslessSV1)  # these codecs restore every bit of a cell
_CELLS_KEPT_WHOLE = (JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, HTJ2KLosslessRPCL)
"""These do where the codestream is as deep as Bits Allocated; a lesser depth is that of the stored value."""


def pixel_data(ds: Dataset) -> bytes:
    """Return the encoded value of Pixel Data, or raise `Reject` (NO_PIXELS)."""
    value = ds.get_item("PixelData").value if "PixelData" in ds else None
    if not value or not isinstance(value, bytes | bytearray):
        raise Reject(Reason.NO_PIXELS, "There is no Pixel Data.")
    return bytes(value)


def read_stored_values(ds: Dataset, data: bytes, image_pixel: ImagePixel) -> StoredValues:
    """Decode `data`, the Pixel Data of `ds`.

    Raises
    ------
    Reject
        UNDECODABLE where the header or the codec contradicts Pixel Data.
    """
    transfer_syntax_uid = _transfer_syntax_uid(ds)
    signedness = "signed" if image_pixel.signed else "unsigned"
    step = f"{image_pixel.bits_stored} bits {signedness}, {transfer_syntax_uid.name}"
    if not transfer_syntax_uid.is_encapsulated:
        if _bytes_are_swapped(ds, transfer_syntax_uid, image_pixel):
            data = header.swap_bytes(data)
        cells, surplus = _native(data, transfer_syntax_uid.is_little_endian, image_pixel)
        return as_stored(cells, image_pixel, step + surplus)
    cells, coded = decode_codestream(data, transfer_syntax_uid, image_pixel)
    if _restores_cells(transfer_syntax_uid, coded, image_pixel):
        return as_stored(cells, image_pixel, step)
    return as_coded(cells, coded, image_pixel, step)


def _restores_cells(transfer_syntax_uid: UID, coded: FrameHeader, image_pixel: ImagePixel) -> bool:
    """Tell whether the codestream holds whole pixel cells, with all bits beside the stored value."""
    if transfer_syntax_uid in _CELLS_KEPT:
        return coded.precision <= image_pixel.bits_allocated
    whole = coded.precision == image_pixel.bits_allocated and coded.signed <= image_pixel.signed
    return whole and transfer_syntax_uid in _CELLS_KEPT_WHOLE


def _transfer_syntax_uid(ds: Dataset) -> UID:
    value = next(iter(header.texts(getattr(ds, "file_meta", Dataset()), "TransferSyntaxUID")), "")
    if value not in TRANSFER_SYNTAXES:
        raise Reject(Reason.UNDECODABLE, "The Transfer Syntax is absent or not one that can be decoded.")
    return UID(value)


def _bytes_are_swapped(ds: Dataset, transfer_syntax_uid: UID, image_pixel: ImagePixel) -> bool:
    """Tell whether 8-bit cells lie in big endian words (PS3.5 A.3), where every pair is exchanged."""
    of_words = ds.get_item("PixelData").VR != "OB"
    return not transfer_syntax_uid.is_little_endian and image_pixel.bits_allocated == 8 and of_words


def _native(data: bytes, little_endian: bool, image_pixel: ImagePixel) -> tuple[Cells, str]:
    dtype = np.dtype(f"{'<' if little_endian else '>'}u{image_pixel.bits_allocated // 8}")
    pixels = image_pixel.rows * image_pixel.columns
    surplus = _surplus(len(data), pixels * dtype.itemsize)
    cells = np.frombuffer(data, dtype, count=pixels).reshape(image_pixel.rows, image_pixel.columns)
    return cells.astype(dtype.newbyteorder("="), copy=False), surplus


def _surplus(length: int, expected: int) -> str:
    """Return a remark on trailing bytes; reject a multiple of the length: wrong depth, samples or frames."""
    padded = expected + expected % 2
    if length < expected or (length > padded and length in (2 * expected, 3 * expected, 4 * expected)):
        raise Reject(Reason.UNDECODABLE, f"Pixel Data has {length} bytes, {expected} are expected.")
    return f"; {length - expected} trailing bytes left out" if length > padded else ""

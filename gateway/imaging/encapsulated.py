"""Decodes encapsulated Pixel Data to pixel cells (PS3.5 A.4). `pixel_data` calls it.

The codestream's header is checked against the data set before a codec runs; every failure is a `Reject`.
"""

from __future__ import annotations

from typing import Any

from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, RLELossless

from gateway.errors import Reject
from gateway.imaging.codecs import DECODERS, register_codecs
from gateway.imaging.codestream import coded_frame, why_not_decoded
from gateway.imaging.image_pixel import ImagePixel
from gateway.imaging.jpeg import FrameHeader
from gateway.imaging.stored_values import Cells
from gateway.records import Reason

_ITEM = b"\xfe\xff\0\xe0"
_EMPTY_OFFSET_TABLE = _ITEM + b"\0\0\0\0"


def decode_codestream(
    data: bytes, transfer_syntax_uid: UID, image_pixel: ImagePixel
) -> tuple[Cells, FrameHeader]:
    """Return the cells of the only frame in `data`, shape (rows, columns), and the codestream's header.

    Raises
    ------
    Reject
        UNDECODABLE: the codestream is damaged, or its size differs from Rows and Columns.
    """
    data = _without_offsets(data)
    try:
        coded = _coded(data, transfer_syntax_uid, image_pixel)
        return _run_codec(data, transfer_syntax_uid, image_pixel, coded.precision), coded
    except (Reject, MemoryError):
        raise
    except Exception as error:  # codecs fail in any number of ways
        raise Reject(Reason.UNDECODABLE, f"{transfer_syntax_uid.name} pixel data is damaged.") from error


def _without_offsets(data: bytes) -> bytes:
    """Empty the Basic Offset Table: all fragments belong to the only frame."""
    if not data.startswith(_ITEM):
        return data
    return _EMPTY_OFFSET_TABLE + data[8 + int.from_bytes(data[4:8], "little") :]


def _coded(data: bytes, transfer_syntax_uid: UID, image_pixel: ImagePixel) -> FrameHeader:
    """Read the codestream's header; reject a wrong size, truncation and excessive cost."""
    frame = get_frame(data, 0, number_of_frames=1)
    size = image_pixel.rows, image_pixel.columns, 1
    if transfer_syntax_uid == RLELossless:  # has no header of its own; its cells are those of Bits Allocated
        return FrameHeader(*size, image_pixel.bits_allocated)
    coded = coded_frame(frame, transfer_syntax_uid)
    if coded is None or coded[:3] != size:
        raise Reject(Reason.UNDECODABLE, "The codestream's size is not the one given by Rows and Columns.")
    if coded.precision > 16:
        raise Reject(
            Reason.UNDECODABLE, f"The codestream has {coded.precision} bits; 16 at most are decoded."
        )
    if problem := why_not_decoded(frame, transfer_syntax_uid):
        raise Reject(Reason.UNDECODABLE, problem)
    return coded


def _run_codec(data: bytes, transfer_syntax_uid: UID, image_pixel: ImagePixel, precision: int) -> Cells:
    register_codecs()
    decoded, _ = get_decoder(transfer_syntax_uid).as_array(
        data,
        index=0,
        raw=True,
        validate=False,
        decoding_plugin=DECODERS[transfer_syntax_uid],
        **_decoder_options(image_pixel, precision),
    )
    cells: Cells = decoded.view(f"u{decoded.itemsize}")
    return cells


def _decoder_options(image_pixel: ImagePixel, precision: int) -> dict[str, Any]:
    """Return the options of pydicom's decoder; signs and unused bits are left to `stored_values`.

    pydicom would convert the codec's cells to Bits Allocated, so `bits_allocated` follows the codestream.
    """
    bits_allocated = 8 if precision <= 8 else 16
    return {
        "rows": image_pixel.rows,
        "columns": image_pixel.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": bits_allocated,
        "bits_stored": min(image_pixel.bits_stored, bits_allocated),
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "correct_unused_bits": False,
        "apply_j2k_sign_correction": False,
        "apply_jls_sign_correction": False,
    }

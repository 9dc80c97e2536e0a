"""Encapsulated Pixel Data to pixel cells (PS3.5 A.4)."""

from __future__ import annotations

from typing import Any

from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, RLELossless

from gateway.errors import Reject
from gateway.imaging.codecs import DECODERS, register_codecs
from gateway.imaging.codestream import coded_frame, why_not_decoded
from gateway.imaging.image_pixel import ImagePixel
from gateway.imaging.stored_values import Cells
from gateway.records import Reason

_EMPTY_OFFSET_TABLE = b"\xfe\xff\0\xe0\0\0\0\0"  # an item of no length (PS3.5 A.4)
_ONE_OFFSET = b"\xfe\xff\0\xe0\4\0\0\0"


def decode_codestream(data: bytes, transfer_syntax_uid: UID, image_pixel: ImagePixel) -> tuple[Cells, int]:
    """Return the cells of the first frame in `data`, shape (rows, columns), and their precision in bits.

    Raises
    ------
    Reject
        UNDECODABLE: damaged, or of another size than the header says.
    """
    data = _without_offset(data)
    try:
        precision = _coded_precision(data, transfer_syntax_uid, image_pixel)
        return _run_codec(data, transfer_syntax_uid, image_pixel), precision
    except (Reject, MemoryError):
        raise
    except Exception as error:  # codecs fail in any number of ways
        raise Reject(Reason.UNDECODABLE, f"{transfer_syntax_uid.name} pixel data is damaged.") from error


def _without_offset(data: bytes) -> bytes:
    """Empty a Basic Offset Table of one entry, right or wrong: the only frame has all fragments."""
    return _EMPTY_OFFSET_TABLE + data[12:] if data.startswith(_ONE_OFFSET) else data


def _coded_precision(data: bytes, transfer_syntax_uid: UID, image_pixel: ImagePixel) -> int:
    """Bits of a coded sample; what has another size, is cut off or costs too much is not decoded."""
    frame = get_frame(data, 0, number_of_frames=1)
    if transfer_syntax_uid == RLELossless:  # has no header of its own
        return image_pixel.bits_stored
    coded = coded_frame(frame, transfer_syntax_uid)
    if coded is None or coded[:3] != (image_pixel.rows, image_pixel.columns, 1):
        raise Reject(Reason.UNDECODABLE, "The codestream's size is not the one given by Rows and Columns.")
    if problem := why_not_decoded(frame, transfer_syntax_uid):
        raise Reject(Reason.UNDECODABLE, problem)
    return coded.precision


def _run_codec(data: bytes, transfer_syntax_uid: UID, image_pixel: ImagePixel) -> Cells:
    register_codecs()
    decoded, _ = get_decoder(transfer_syntax_uid).as_array(
        data,
        index=0,
        raw=True,
        validate=False,
        decoding_plugin=DECODERS[transfer_syntax_uid],
        **_decoder_options(image_pixel),
    )
    cells: Cells = decoded.view(f"u{decoded.itemsize}")
    return cells


def _decoder_options(image_pixel: ImagePixel) -> dict[str, Any]:
    """What pydicom needs to know; signs and unused bits are dealt with here, not there."""
    return {
        "rows": image_pixel.rows,
        "columns": image_pixel.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": image_pixel.bits_allocated,
        "bits_stored": image_pixel.bits_stored,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "correct_unused_bits": False,
        "apply_j2k_sign_correction": False,
        "apply_jls_sign_correction": False,
    }

"""Reads and checks the headers of JPEG, JPEG-LS and JPEG 2000 codestreams before any decoder sees them.

`encapsulated` calls it. Truncated, contradictory and excessively costly codestreams are rejected here,
because libjpeg and OpenJPEG fill missing parts silently and allocate memory by the header.
"""

from __future__ import annotations

import struct

from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes

from gateway.imaging import jpeg, jpeg_2000
from gateway.imaging.jpeg import ENDS_TOO_EARLY, TOO_MANY_PARTS, Damaged, FrameHeader


def coded_frame(codestream: bytes, transfer_syntax_uid: UID) -> FrameHeader | None:
    """Return the frame header of the codestream, or None where it cannot be read."""
    try:
        if transfer_syntax_uid in JPEG2000TransferSyntaxes:
            return FrameHeader(*jpeg_2000.size(codestream))
        return jpeg.frame_of(codestream)
    except (struct.error, IndexError):
        return None


def why_not_decoded(codestream: bytes, transfer_syntax_uid: UID) -> str | None:
    """Return why the codestream is rejected before decoding: truncated, contradictory or too costly.

    JPEG decoders fill missing parts with grey, so a truncated image would look complete.
    """
    if transfer_syntax_uid not in JPEG2000TransferSyntaxes:
        try:
            jpeg.check(codestream, jpeg_ls=transfer_syntax_uid in JPEGLSTransferSyntaxes)
        except Damaged as damage:
            return str(damage)
        return None
    if jpeg_2000.says_its_size_twice(codestream):
        return "The codestream gives its size twice."
    if not jpeg_2000.has_all_tiles(codestream):
        return ENDS_TOO_EARLY
    return None if jpeg_2000.is_cheap(codestream) else TOO_MANY_PARTS

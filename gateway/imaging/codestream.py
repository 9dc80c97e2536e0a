"""What a JPEG, JPEG-LS or JPEG 2000 codestream says of itself, read before any memory is given to it."""

from __future__ import annotations

import struct

from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes

from gateway.imaging import jpeg, jpeg_2000
from gateway.imaging.jpeg import ENDS_TOO_EARLY, TOO_MANY_PARTS, Damaged, FrameHeader


def coded_frame(codestream: bytes, transfer_syntax_uid: UID) -> FrameHeader | None:
    """Return what the codestream's own header says, or None where it has none that can be read."""
    try:
        if transfer_syntax_uid in JPEG2000TransferSyntaxes:
            return FrameHeader(*jpeg_2000.size(codestream))
        return jpeg.frame_of(codestream)
    except (struct.error, IndexError):
        return None


def why_not_decoded(codestream: bytes, transfer_syntax_uid: UID) -> str | None:
    """Return why no decoder shall see the codestream: it is cut off, contradicts itself, or costs too much.

    JPEG decoders paint what is missing in grey, so that half an image would look like a whole one.
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

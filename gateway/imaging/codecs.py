"""The codec of each compressed transfer syntax in `dicom.transfer_syntaxes`.

`encapsulated` decodes with exactly these codecs. A file is always decoded by the same codec, so its pixels
never depend on the installed packages.
"""

from __future__ import annotations

from contextlib import suppress

import imagecodecs
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

from gateway.imaging.rle import decode_rle

_OURS = "imagecodecs"  # pydicom's label for the plugin in this module
DECODERS: dict[str, str] = {
    # compressed transfer syntax: decoding plugin
    uid.JPEGBaseline8Bit: _OURS,
    uid.JPEGExtended12Bit: _OURS,
    uid.JPEGLossless: _OURS,
    uid.JPEGLosslessSV1: _OURS,
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.RLELossless: _OURS,
}
DECODER_DEPENDENCIES = {syntax: ("imagecodecs",) for syntax, plugin in DECODERS.items() if plugin == _OURS}
"""pydicom reads this name from every module that offers a decoding plugin."""


def register_codecs() -> None:
    """Add imagecodecs to pydicom's decoders of JPEG and RLE; repeated calls change nothing.

    pydicom's own plugins cannot read JPEG Extended at 12 bits, and take four times as long for JPEG Lossless
    and fourteen times as long for RLE.
    """
    for syntax in DECODER_DEPENDENCIES:
        with suppress(ValueError):  # registered already
            get_decoder(syntax).add_plugin(_OURS, (__name__, "decode_frame"))


def is_available(transfer_syntax_uid: str) -> bool:
    """Tell pydicom whether this module decodes the transfer syntax."""
    return transfer_syntax_uid in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one grey frame for pydicom: JPEG of 2 to 16 bits, or RLE."""
    if runner.transfer_syntax == uid.RLELossless:
        return decode_rle(src, runner.rows * runner.columns, runner.bits_allocated // 8)
    frame = imagecodecs.jpeg_decode(src)
    runner.set_option("bits_allocated", 8 * frame.itemsize)
    return bytes(frame.tobytes())

"""Compresses the pixels of a Secondary Capture without loss (PS3.5 A.4); its builder calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import pack
from typing import NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless, RLELossless

from gateway.results.result import Compression

Pixels = NDArray[np.uint8]


class _Coding(NamedTuple):
    transfer_syntax: UID
    photometric_interpretation: str
    encoded: Callable[[Pixels], bytes]


def compress(capture: Dataset, compression: Compression) -> None:
    """Replace native RGB pixels, 8 bits a sample, by one encapsulated frame; `none` leaves them."""
    if compression == "none":
        return
    coding = _CODINGS[compression]
    shape = capture.Rows, capture.Columns, capture.SamplesPerPixel
    frame = coding.encoded(np.frombuffer(capture.PixelData, np.uint8).reshape(shape))
    capture.PixelData = encapsulate([frame])
    capture["PixelData"].VR = "OB"
    capture["PixelData"].is_undefined_length = True
    capture.PhotometricInterpretation = coding.photometric_interpretation
    capture.file_meta.TransferSyntaxUID = coding.transfer_syntax


def _jpeg_ls(pixels: Pixels) -> bytes:
    room = bytearray(2 * pixels.nbytes + 4096)  # noise grows
    return bytes(imagecodecs.jpegls_encode(pixels, out=room))


def _jpeg_2000(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, mct=True, codecformat="j2k"))


def _rle(pixels: Pixels) -> bytes:
    """Return a frame of one segment for each colour (PS3.5 G)."""
    segments = [b"".join(map(_packed, pixels[:, :, sample])) for sample in range(pixels.shape[2])]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    starts = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    header = pack("<16L", len(segments), *starts, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def _packed(row: Pixels) -> bytes:
    return bytes(imagecodecs.packbits_encode(row.tobytes()))


_CODINGS: Mapping[str, _Coding] = {
    "jpeg-ls": _Coding(JPEGLSLossless, "RGB", _jpeg_ls),
    "jpeg-2000": _Coding(JPEG2000Lossless, "YBR_RCT", _jpeg_2000),
    "rle": _Coding(RLELossless, "RGB", _rle),
}

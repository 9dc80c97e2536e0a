"""Encoders of other libraries for every compressed transfer syntax, by which tests make codestreams."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid

Pixels = NDArray[Any]


class Lossy(NamedTuple):
    """A coding that changes pixels: its transfer syntax, bits stored and encoder."""

    syntax: str
    bits: int
    encode: Callable[[Pixels], bytes]


def jpeg_lossless(cells: Pixels, bits: int, predictor: int) -> bytes:
    return bytes(imagecodecs.jpeg_encode(cells, lossless=True, predictor=predictor, bitspersample=bits))


def jpeg_2000(cells: Pixels, bits: int) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(cells, codecformat="j2k", reversible=True, bitspersample=bits))


def jpeg_ls(cells: Pixels, _: int) -> bytes:
    return bytes(imagecodecs.jpegls_encode(cells))


def htj2k(cells: Pixels, _: int) -> bytes:
    return bytes(imagecodecs.htj2k_encode(cells, reversible=True))


def rle(cells: Pixels, _: int) -> bytes:
    planes = np.frombuffer(cells.tobytes(), np.uint8).reshape(-1, cells.itemsize).T[::-1]
    segments = [bytes(imagecodecs.packbits_encode(np.ascontiguousarray(plane).tobytes())) for plane in planes]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    starts = [64 + sum(map(len, segments[:number])) for number in range(len(segments))]
    header = np.array([len(segments), *starts, *[0] * (15 - len(segments))], "<u4")
    return header.tobytes() + b"".join(segments)


LOSSLESS: dict[str, Callable[[Pixels, int], bytes]] = {
    uid.JPEGLossless: partial(jpeg_lossless, predictor=6),
    uid.JPEGLosslessSV1: partial(jpeg_lossless, predictor=1),
    uid.JPEGLSLossless: jpeg_ls,
    uid.JPEGLSNearLossless: jpeg_ls,
    uid.JPEG2000Lossless: jpeg_2000,
    uid.JPEG2000: jpeg_2000,
    uid.HTJ2KLossless: htj2k,
    uid.HTJ2KLosslessRPCL: htj2k,
    uid.HTJ2K: htj2k,
    uid.RLELossless: rle,
}
LOSSY = {
    "JPEG Baseline": Lossy(uid.JPEGBaseline8Bit, 8, lambda p: imagecodecs.jpeg_encode(p, 95)),
    "JPEG Extended, 8 bits": Lossy(uid.JPEGExtended12Bit, 8, lambda p: imagecodecs.jpeg_encode(p, 95)),
    "JPEG Extended, 12 bits": Lossy(
        uid.JPEGExtended12Bit, 12, lambda p: imagecodecs.jpeg_encode(p, 95, bitspersample=12)
    ),
    "JPEG-LS near-lossless": Lossy(
        uid.JPEGLSNearLossless, 12, lambda p: imagecodecs.jpegls_encode(p, level=2)
    ),
    "JPEG 2000 irreversible": Lossy(
        uid.JPEG2000,
        12,
        lambda p: imagecodecs.jpeg2k_encode(p, 70, codecformat="j2k", reversible=False, bitspersample=12),
    ),
}

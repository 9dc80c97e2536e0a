"""Radiographs whose only frame is a codestream of a test's choice."""

from __future__ import annotations

import struct

import imagecodecs
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from gateway.proof.images import chest_pixels
from tests.support.sources import cr


def compressed(codestream: bytes, syntax: str, ds: Dataset | None = None) -> Dataset:
    """Return a radiograph with another's codestream as its only frame."""
    return with_fragments(encapsulate([bytes(codestream)]), syntax, ds)


def with_fragments(value: bytes, syntax: str, ds: Dataset | None = None) -> Dataset:
    ds = cr() if ds is None else ds
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = value
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def fragments(*parts: bytes) -> bytes:
    return b"".join(b"\xfe\xff\0\xe0" + struct.pack("<L", len(part)) + part for part in parts)


def jpeg_2000(bits: int = 12) -> bytearray:
    return bytearray(
        imagecodecs.jpeg2k_encode(chest_pixels(), codecformat="j2k", reversible=True, bitspersample=bits)
    )


def jpeg_lossless() -> bytes:
    return bytes(imagecodecs.jpeg_encode(chest_pixels(), lossless=True, predictor=1, bitspersample=12))

"""Radiographs for the screen, made in a process of its own: a file that ends a decoder ends nothing else."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from gateway.dicom.part_10 import read_file
from gateway.imaging.decode import decode
from gateway.imaging.image_pixel import MAX_MEGAPIXELS
from gateway.sandbox.memory_limit import limit_memory
from gateway.store.pictures import Kind
from gateway.web.viewer.values import values_file

SIDES = {Kind.THUMBNAIL: 160, Kind.PREVIEW: 1024}
"""Longest side of each small picture, in pixels."""


def render(source: Path, kind: Kind) -> bytes:
    """Return a picture of an image: its thumbnail, or the file of all its values.

    Raises
    ------
    Exception
        Of any kind, where the file holds no single grey picture.
    """
    ds = read_file(source)
    if kind is Kind.PIXELS:
        return values_file(ds)
    pixels = decode(ds).pixels
    picture = Image.fromarray((pixels >> 8).astype(np.uint8))
    picture.thumbnail((SIDES[kind], SIDES[kind]), reducing_gap=2)
    with io.BytesIO() as file:
        picture.save(file, "JPEG", quality=82)
        return file.getvalue()


def begin() -> None:
    """Prepare the process: reception and answers come first."""
    os.nice(10)
    limit_memory(MAX_MEGAPIXELS)

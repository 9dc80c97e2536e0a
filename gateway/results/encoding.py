"""A result as bytes."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset


def encode(result: Dataset) -> bytes:
    """Return a complete Part 10 file in Explicit VR Little Endian (PS3.10 7.1).

    The same data set always gives the same bytes.
    """
    with BytesIO() as file:
        dcmwrite(file, result, enforce_file_format=True)
        return file.getvalue()

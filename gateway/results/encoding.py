"""Writes a DICOM result as a Part 10 file; the builders of DICOM results call it."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset

from gateway.records import DICOM
from gateway.results.result import Result


def encode(result: Dataset) -> bytes:
    """Return a complete Part 10 file in Explicit VR Little Endian (PS3.10 7.1).

    The same data set always gives the same bytes.
    """
    with BytesIO() as file:
        dcmwrite(file, result, enforce_file_format=True)
        return file.getvalue()


def dicom_result(kind: str, result: Dataset) -> Result:
    """Return a data set as a result, named by its SOP Instance UID."""
    uid = str(result.SOPInstanceUID)
    return Result(kind, DICOM, f"{uid}.dcm", encode(result), str(result.SOPClassUID), uid)

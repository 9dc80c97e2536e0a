"""Writes a DICOM result as a Part 10 file; the builders of DICOM results call it."""

from __future__ import annotations

from struct import pack

from pydicom.dataset import Dataset

from gateway.records import DICOM
from gateway.results.explicit_vr import element, encoded, pieces
from gateway.results.result import Result

_PREAMBLE = bytes(128) + b"DICM"
_VERSION = element(0x00020001, "OB", b"\0\1")  # of file meta information


def encode(result: Dataset) -> bytes:
    """Return a complete Part 10 file in Explicit VR Little Endian (PS3.10 7.1).

    The same data set always gives the same bytes.
    """
    meta = _VERSION + encoded(result.file_meta)
    group_length = element(0x00020000, "UL", pack("<I", len(meta)))
    return b"".join([_PREAMBLE, group_length, meta, *pieces(result)])


def dicom_result(kind: str, result: Dataset) -> Result:
    """Return a data set as a result, named by its SOP Instance UID."""
    uid = str(result.SOPInstanceUID)
    return Result(kind, DICOM, f"{uid}.dcm", encode(result), str(result.SOPClassUID), uid)

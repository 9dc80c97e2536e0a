"""Part 10 files that came by HTTP (PS3.10 7.1): where the data set begins and how it is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread
from pydicom.uid import UID

from gateway.receive.data_set import Header, read_header
from gateway.receive.presentation import SOP_CLASSES, TRANSFER_SYNTAXES
from gateway.receive.statuses import Refuse, Status

PREAMBLE = 128
_GROUP_LENGTH = bytes.fromhex("02000000") + b"UL" + bytes.fromhex("0400")


@dataclass(frozen=True, slots=True)
class Part10:
    """A whole file whose data set has been walked through once."""

    transfer_syntax_uid: str
    header: Header
    data: memoryview


def is_part_10(content: bytes | memoryview) -> bool:
    """Tell whether the bytes begin as a Part 10 file."""
    return bytes(content[PREAMBLE : PREAMBLE + 4]) == b"DICM"


def read_part_10(content: bytes) -> Part10:
    """Take a file apart, without decoding a pixel.

    Raises
    ------
    Refuse
        With C-STORE's status for what is wrong with it.
    """
    begin = PREAMBLE + 4 + len(_GROUP_LENGTH) + 4
    if not is_part_10(content) or content[PREAMBLE + 4 : begin - 4] != _GROUP_LENGTH:
        raise Refuse(Status.NOT_PARSABLE, "not a DICOM file with file meta information")
    begin += int.from_bytes(content[begin - 4 : begin], "little")
    try:
        meta = dcmread(BytesIO(content[:begin])).file_meta
        transfer_syntax_uid = UID(str(meta.TransferSyntaxUID))
    except Exception:
        raise Refuse(Status.NOT_PARSABLE, "the file meta information cannot be read") from None
    if transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise Refuse(Status.NOT_PARSABLE, f"transfer syntax {str(transfer_syntax_uid)[:64]} is not supported")
    data = memoryview(content)[begin:]
    header = read_header(data, transfer_syntax_uid)
    if header.sop_class_uid not in SOP_CLASSES:
        raise Refuse(Status.SOP_CLASS_NOT_SUPPORTED, "the SOP Class is not accepted")
    return Part10(str(transfer_syntax_uid), header, data)

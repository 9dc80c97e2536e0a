"""Part 10 files that came by HTTP (PS3.10 7.1): where the data set begins and how it is encoded."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.dicom.elements import Elements
from gateway.dicom.octets import InMemory
from gateway.dicom.statuses import Refuse, Status
from gateway.dicom.unreadable import Unreadable
from gateway.receive.data_set import Header, read_header
from gateway.receive.presentation import SOP_CLASSES, TRANSFER_SYNTAXES

PREAMBLE = 128
MARK_BYTES = _BEGIN = PREAMBLE + 4
_GROUP_LENGTH = bytes.fromhex("02000000") + b"UL" + bytes.fromhex("0400")
_META_GROUP = 0x0002
_MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003
_TRANSFER_SYNTAX_UID = 0x00020010


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the File Meta Information says of the data set after it, empty where it says nothing.

    Attributes
    ----------
    end
        Where the data set begins, in bytes from the begin of the file.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    end: int


@dataclass(frozen=True, slots=True)
class Part10:
    """A whole file whose data set has been walked through once."""

    transfer_syntax_uid: str
    header: Header
    data: memoryview


def is_part_10(content: bytes | memoryview) -> bool:
    """Tell whether the bytes begin as a Part 10 file."""
    return bytes(content[PREAMBLE:_BEGIN]) == b"DICM"


def read_file_meta(content: memoryview) -> FileMeta:
    """Read the File Meta Information, which must end exactly where its group length says.

    The length is the sender's: with a wrong one, another reader would find the data set elsewhere than it was
    checked.

    Raises
    ------
    Refuse
        NOT_PARSABLE, if there is none or it cannot be read.
    """
    end = _end(content)
    meta = InMemory(content[_BEGIN:end])
    try:
        elements = list(Elements(meta, implicit_vr=False, little_endian=True, first_group=_META_GROUP))
    except Unreadable as problem:
        raise _unreadable(problem.reason) from None
    values = {each.tag: each.value for each in elements if each.value is not None}
    if len(values) < len(elements) or {tag >> 16 for tag in values} != {_META_GROUP}:
        raise _unreadable("its group length, or an element, is wrong")
    if int.from_bytes(content[end : end + 2], "little") == _META_GROUP:
        raise _unreadable("it goes on after its group length")
    return FileMeta(
        sop_class_uid=_uid(values.get(_MEDIA_STORAGE_SOP_CLASS_UID)),
        sop_instance_uid=_uid(values.get(_MEDIA_STORAGE_SOP_INSTANCE_UID)),
        transfer_syntax_uid=_uid(values.get(_TRANSFER_SYNTAX_UID)),
        end=end,
    )


def read_part_10(content: memoryview, meta: FileMeta | None = None) -> Part10:
    """Take a file apart, without decoding a pixel.

    Parameters
    ----------
    meta
        Its File Meta Information, where that has been read already.

    Raises
    ------
    Refuse
        With C-STORE's status for what is wrong with it (PS3.18 Table I.2-2).
    """
    meta = meta or read_file_meta(content)
    if meta.transfer_syntax_uid not in TRANSFER_SYNTAXES:
        reason = f"transfer syntax {meta.transfer_syntax_uid[:64]} is not supported"
        raise Refuse(Status.TRANSFER_SYNTAX_NOT_SUPPORTED, reason)
    data = content[meta.end :]
    header = read_header(data, meta.transfer_syntax_uid)
    if header.sop_class_uid not in SOP_CLASSES:
        raise Refuse(Status.SOP_CLASS_NOT_SUPPORTED, "the SOP Class is not accepted")
    return Part10(meta.transfer_syntax_uid, header, data)


def _end(content: memoryview) -> int:
    begin = _BEGIN + len(_GROUP_LENGTH) + 4
    if not is_part_10(content) or content[_BEGIN : begin - 4] != _GROUP_LENGTH:
        raise Refuse(Status.NOT_PARSABLE, "not a DICOM file with file meta information")
    return begin + int.from_bytes(content[begin - 4 : begin], "little")


def _uid(value: bytes | memoryview | None) -> str:
    return bytes(value or b"").decode("ascii", "replace").strip("\0 ")


def _unreadable(detail: str) -> Refuse:
    return Refuse(Status.NOT_PARSABLE, f"the file meta information cannot be read: {detail}")

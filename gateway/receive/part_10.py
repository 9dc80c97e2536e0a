"""Part 10 files (PS3.10 section 7.1) at the door: taken apart as they arrive, and begun as they are kept.

Called by adapters of protocols that carry files, by `POST /predict`, and by `Intake`. No pixel is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from gateway.dicom.elements import Elements
from gateway.dicom.octets import InMemory
from gateway.dicom.statuses import Refuse, Status
from gateway.dicom.uid import is_uid
from gateway.dicom.unreadable import Unreadable
from gateway.receive.data_set import UNKNOWN, Header, Identity
from gateway.receive.incoming import InHand, Sender
from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PREAMBLE = 128
MARK_BYTES = _BEGIN = PREAMBLE + 4
_MARK = b"DICM"
_GROUP_LENGTH = bytes.fromhex("02000000") + b"UL" + bytes.fromhex("0400")
_META_GROUP = 0x0002
_MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
_MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020003
_TRANSFER_SYNTAX_UID = 0x00020010


@dataclass(frozen=True, slots=True)
class FileMeta:
    """The values of the File Meta Information that the gateway needs; empty where the file has none.

    Attributes
    ----------
    end
        Offset of the data set, in bytes from the begin of the file.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    end: int


class ArrivedFile:
    """A Part 10 file that a sender offers: an `Incoming`.

    The file meta information names the instance only until the data set has been read.
    """

    def __init__(self, content: memoryview, sender: Sender) -> None:
        self._content = content
        self.sender = sender
        self.claimed = UNKNOWN

    def encoded(self) -> InHand:
        """Return the data set of the file; `Refuse` as `read_file_meta`."""
        meta = read_file_meta(self._content)
        if is_uid(meta.sop_class_uid) and is_uid(meta.sop_instance_uid):
            self.claimed = Identity(meta.sop_class_uid, meta.sop_instance_uid)
        return data_set_in(self._content, meta)

    def check(self, header: Header) -> None:
        """Take the identity from the data set: a file says nothing else that could differ."""
        self.claimed = header.identity


def is_part_10(content: bytes | memoryview) -> bool:
    """Tell whether the bytes begin as a Part 10 file."""
    return bytes(content[PREAMBLE:_BEGIN]) == _MARK


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


def data_set_in(content: memoryview, meta: FileMeta) -> InHand:
    """Return the data set that follows the File Meta Information, without a copy."""
    return InHand(meta.transfer_syntax_uid, content[meta.end :])


def file_head(identity: Identity, transfer_syntax_uid: str, source_ae_title: str) -> bytes:
    """Return preamble and File Meta Information for a received data set."""
    meta = create_file_meta(
        sop_class_uid=UID(identity.sop_class_uid),
        sop_instance_uid=UID(identity.sop_instance_uid),
        transfer_syntax=UID(transfer_syntax_uid),
        implementation_uid=UID(IMPLEMENTATION_CLASS_UID),
        implementation_version=IMPLEMENTATION_VERSION_NAME,
    )
    meta.SourceApplicationEntityTitle = source_ae_title
    return bytes(PREAMBLE) + _MARK + encode_file_meta(meta)


def _end(content: memoryview) -> int:
    begin = _BEGIN + len(_GROUP_LENGTH) + 4
    if not is_part_10(content) or content[_BEGIN : begin - 4] != _GROUP_LENGTH:
        raise Refuse(Status.NOT_PARSABLE, "not a DICOM file with file meta information")
    return begin + int.from_bytes(content[begin - 4 : begin], "little")


def _uid(value: bytes | memoryview | None) -> str:
    return bytes(value or b"").decode("ascii", "replace").strip("\0 ")


def _unreadable(detail: str) -> Refuse:
    return Refuse(Status.NOT_PARSABLE, f"the file meta information cannot be read: {detail}")

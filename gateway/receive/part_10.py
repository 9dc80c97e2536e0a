"""Part 10 files (PS3.10 section 7.1) at the door: taken apart as they arrive, and begun as they are kept.

Called by adapters of protocols that carry files, by `POST /predict`, and by `Intake`. No pixel is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack

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
_IMPLEMENTATION_CLASS_UID = 0x00020012
_IMPLEMENTATION_VERSION_NAME = 0x00020013
_SOURCE_AE_TITLE = 0x00020016
_VERSION = bytes.fromhex("020001004f42000002000000") + b"\0\1"  # File Meta Information Version


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
    """Return preamble and File Meta Information (PS3.10 7.1) for a received data set.

    The bytes are those of pydicom's writer, which takes a millisecond for them.
    """
    meta = _VERSION + b"".join(
        (
            _element(_MEDIA_STORAGE_SOP_CLASS_UID, b"UI", identity.sop_class_uid),
            _element(_MEDIA_STORAGE_SOP_INSTANCE_UID, b"UI", identity.sop_instance_uid),
            _element(_TRANSFER_SYNTAX_UID, b"UI", transfer_syntax_uid),
            _element(_IMPLEMENTATION_CLASS_UID, b"UI", IMPLEMENTATION_CLASS_UID),
            _element(_IMPLEMENTATION_VERSION_NAME, b"SH", IMPLEMENTATION_VERSION_NAME),
            _element(_SOURCE_AE_TITLE, b"AE", source_ae_title),
        )
    )
    return bytes(PREAMBLE) + _MARK + _GROUP_LENGTH + pack("<I", len(meta)) + meta


def _element(tag: int, vr: bytes, text: str) -> bytes:
    """Return an element in Explicit VR Little Endian, padded to an even length (PS3.5 6.2)."""
    value = text.encode("latin-1", "replace")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _end(content: memoryview) -> int:
    begin = _BEGIN + len(_GROUP_LENGTH) + 4
    if not is_part_10(content) or content[_BEGIN : begin - 4] != _GROUP_LENGTH:
        raise Refuse(Status.NOT_PARSABLE, "not a DICOM file with file meta information")
    return begin + int.from_bytes(content[begin - 4 : begin], "little")


def _uid(value: bytes | memoryview | None) -> str:
    return bytes(value or b"").decode("ascii", "replace").strip("\0 ")


def _unreadable(detail: str) -> Refuse:
    return Refuse(Status.NOT_PARSABLE, f"the file meta information cannot be read: {detail}")

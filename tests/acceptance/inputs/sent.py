"""C-STORE requests made byte by byte, and the ways in which their data sets go wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydicom import uid
from pydicom.dataset import Dataset

from tests.support.receiving import data_set_of
from tests.support.sources import dx, encoded

EXPLICIT, IMPLICIT = uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian
UNDEFINED = 0xFFFFFFFF
END_OF_ITEM, END_OF_SEQUENCE = struct.pack("<HHL", 0xFFFE, 0xE00D, 0), struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


@dataclass
class Sent:
    """One C-STORE request, byte for byte; the command says what the data set says unless told otherwise."""

    data: bytes | None
    syntax: str = EXPLICIT
    sop_class: str = uid.DigitalXRayImageStorageForPresentation
    sop_instance: str = "1.2.3.4"
    context: str | None = None  # another abstract syntax than the command's SOP class

    @classmethod
    def of(cls, ds: Dataset, encoded_as: str | None = None, **command: Any) -> Sent:
        """Encode `ds`, in its own transfer syntax or in the given one."""
        file = encoded(ds, encoded_as)
        own = str(ds.file_meta.TransferSyntaxUID)
        about = {"syntax": own, "sop_class": ds.SOPClassUID, "sop_instance": ds.SOPInstanceUID}
        return cls(data_set_of(file), **about | command)


Make = Callable[[], Sent]


def changed(change: Callable[[bytes], bytes], ds: Dataset | None = None, **command: Any) -> Sent:
    """Return a radiograph whose bytes were changed on the way."""
    sent = Sent.of(dx() if ds is None else ds, **command)
    assert sent.data is not None
    sent.data = change(sent.data)
    return sent


def before_pixels(extra: bytes) -> Callable[[bytes], bytes]:
    """Insert an element before Pixel Data."""
    return lambda data: data.replace(b"\xe0\x7f\x10\0", extra + b"\xe0\x7f\x10\0", 1)


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """Return an element in Explicit VR Little Endian, odd lengths and lies included."""
    length = len(value) if length is None else length
    if vr in (b"SQ", b"UN", b"OB", b"OW", b"UT"):
        return struct.pack("<HH2sHL", group, number, vr, 0, length) + value
    return struct.pack("<HH2sH", group, number, vr, length) + value


def sequence_item(value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value) if length is None else length) + value


def raw_text(ds: Dataset, old: str, new: bytes) -> Sent:
    """Replace a value by bytes of the same length that no library would write."""
    assert len(old) == len(new)
    return changed(lambda data: data.replace(old.encode(), new, 1), ds)


def nested(depth: int) -> bytes:
    """Return sequences of undefined length within each other."""
    begin = element(0x0008, 0x1032, b"SQ", b"", UNDEFINED) + sequence_item(b"", UNDEFINED)
    return begin * depth + (END_OF_ITEM + END_OF_SEQUENCE) * depth

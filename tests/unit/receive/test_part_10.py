"""Uploaded files: the sender's own lengths are checked before any other reader believes them."""

import zlib

import pytest
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from gateway.dicom.octets import MAX_INFLATED_BYTES
from gateway.dicom.statuses import Refuse, Status
from gateway.receive.data_set import Header, Identity
from gateway.receive.incoming import Sender
from gateway.receive.intake import examine
from gateway.receive.part_10 import ArrivedFile, file_head, read_file_meta
from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from tests.support.sources import dx, encoded


def part_10(meta: bytes, data: bytes, *, length: int | None = None) -> memoryview:
    told = (len(meta) if length is None else length).to_bytes(4, "little")
    head = bytes(128) + b"DICM" + bytes.fromhex("02000000") + b"UL" + bytes.fromhex("0400")
    return memoryview(head + told + meta + data)


def transfer_syntax(uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return bytes.fromhex("02001000") + b"UI" + len(value).to_bytes(2, "little") + value


def bomb() -> bytes:
    """More than the bound when it is inflated, from less than a thousandth."""
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    zeros = bytes(16 << 20)
    rounds = MAX_INFLATED_BYTES // len(zeros) + 1
    begun = deflater.compress(b"\x09\0\x10\x10OB\0\0" + (1 << 30).to_bytes(4, "little"))
    return begun + b"".join(deflater.compress(zeros) for _ in range(rounds)) + deflater.flush()


def examined(content: memoryview) -> Header:
    return examine(ArrivedFile(content, Sender("TESTS", "CXR_GATEWAY", "")))[1]


DEFLATED = transfer_syntax(DeflatedExplicitVRLittleEndian)
EXPLICIT = transfer_syntax(ExplicitVRLittleEndian)


def test_a_whole_file_is_read() -> None:
    source = dx()
    meta = read_file_meta(memoryview(encoded(source)))
    assert (meta.sop_class_uid, meta.sop_instance_uid) == (source.SOPClassUID, source.SOPInstanceUID)
    assert examined(memoryview(encoded(source))).sop_instance_uid == source.SOPInstanceUID


@pytest.mark.parametrize("title", ["MODALITY", "ODD", ""])
@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34"])
def test_the_head_of_a_file_is_that_of_pydicoms_writer(uid: str, title: str) -> None:
    meta = create_file_meta(
        sop_class_uid=ComputedRadiographyImageStorage,
        sop_instance_uid=UID(uid),
        transfer_syntax=ExplicitVRLittleEndian,
        implementation_uid=UID(IMPLEMENTATION_CLASS_UID),
        implementation_version=IMPLEMENTATION_VERSION_NAME,
    )
    meta.SourceApplicationEntityTitle = title
    head = file_head(Identity(ComputedRadiographyImageStorage, uid), ExplicitVRLittleEndian, title)
    assert head == bytes(128) + b"DICM" + encode_file_meta(meta)


def test_a_bomb_is_not_inflated_whatever_length_is_told() -> None:
    deflated = bomb()
    assert len(deflated) < MAX_INFLATED_BYTES // 900
    with pytest.raises(Refuse) as refused:
        examined(part_10(DEFLATED, deflated))
    assert refused.value.status is Status.INFLATES_TOO_FAR
    for length in (0, 1, len(DEFLATED) - 1, len(DEFLATED) + 1, len(DEFLATED + deflated), 2**32 - 1):
        with pytest.raises(Refuse) as refused:
            examined(part_10(DEFLATED, deflated, length=length))
        assert refused.value.status is Status.NOT_PARSABLE


def test_a_second_transfer_syntax_after_the_told_length_is_seen() -> None:
    """pydicom would go on, and read the rest as deflated."""
    with pytest.raises(Refuse, match="goes on"):
        read_file_meta(part_10(EXPLICIT + DEFLATED, b"", length=len(EXPLICIT)))


def test_only_the_meta_group_stands_there() -> None:
    other = bytes.fromhex("08001600") + b"UI" + bytes(2)
    with pytest.raises(Refuse, match="or an element"):
        read_file_meta(part_10(EXPLICIT + other, b""))


def test_another_transfer_syntax_is_named_as_the_reason() -> None:
    with pytest.raises(Refuse) as refused:
        examined(part_10(transfer_syntax("1.2.3"), b"x"))
    assert refused.value.status is Status.TRANSFER_SYNTAX_NOT_SUPPORTED

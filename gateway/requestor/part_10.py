"""Part 10 files as they are sent: the presentation context that one needs, and its data set's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Self

from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.errors import InvalidDicomError
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dsutils import encode, split_dataset

from gateway.dicom import unreadable
from gateway.dicom.part_10 import read_values
from gateway.errors import GatewayError

_MEDIA_STORAGE_SOP_CLASS_UID, _MEDIA_STORAGE_SOP_INSTANCE_UID = 0x00020002, 0x00020003
_TRANSFER_SYNTAX_UID = 0x00020010
_SOP_CLASS_UID, _SOP_INSTANCE_UID = 0x00080016, 0x00080018


class Unreadable(GatewayError):  # noqa: N818 - said of a file
    """A file cannot be read, or not be converted."""


@dataclass(frozen=True, slots=True)
class Content:
    """Demand of one file on a presentation context (PS3.8 7.1.1.13)."""

    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Instance:
    """Content of a file."""

    content: Content
    sop_instance_uid: str


def content_of(path: Path) -> Content:
    """Return what a Part 10 file needs.

    Raises
    ------
    pydicom.errors.InvalidDicomError, OSError
        As `instance_of`.
    """
    return instance_of(path).content


def instance_of(path: Path) -> Instance:
    """Read the head of a Part 10 file.

    Class and instance are the data set's, with which receivers compare the command, as storescu and dcmsend
    do: tools that change a file forget its meta information, which counts only where the data set names none.

    Raises
    ------
    pydicom.errors.InvalidDicomError, OSError
        If `path` is not a readable Part 10 file with a SOP class, a SOP instance and a transfer syntax.
    """
    try:
        values = read_values(path, up_to=_SOP_INSTANCE_UID)
    except unreadable.Unreadable as error:
        raise InvalidDicomError(f"its data set cannot be read ({error})") from error
    return Instance(
        Content(
            _uid(values, _SOP_CLASS_UID, _MEDIA_STORAGE_SOP_CLASS_UID),
            _uid(values, _TRANSFER_SYNTAX_UID),
        ),
        _uid(values, _SOP_INSTANCE_UID, _MEDIA_STORAGE_SOP_INSTANCE_UID),
    )


class DataSet:
    """A data set's bytes, read as they are sent; a context manager, which closes the file."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self.size = size

    @classmethod
    def of(cls, path: Path) -> DataSet:
        """Return the bytes as the file has them."""
        _, offset = split_dataset(path)
        source = path.open("rb")
        source.seek(offset)
        return cls(source, path.stat().st_size - offset)

    @classmethod
    def converted(cls, path: Path, transfer_syntax_uid: str) -> DataSet:
        """Return them in implicit VR, or in explicit VR little endian."""
        encoded = encode(dcmread(path), transfer_syntax_uid == ImplicitVRLittleEndian, is_little_endian=True)
        if encoded is None:
            raise Unreadable(f"{path}: cannot be converted to implicit VR, which is all that the node takes")
        return cls(BytesIO(encoded), len(encoded))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def read(self, count: int) -> bytes:
        """Return the next bytes, exactly so many.

        Raises
        ------
        Unreadable
            If they are not there any more.
        """
        try:
            data = self._source.read(count)
        except OSError as error:
            raise Unreadable(str(error.strerror or error)) from error
        if len(data) != count:
            raise Unreadable("the file has become shorter while it was sent")
        return data


def _uid(values: Mapping[int, bytes], *tags: int) -> str:
    """Return the first of several elements that has a value."""
    for tag in tags:
        if uid := values.get(tag, b"").decode("ascii", "replace").strip("\0 "):
            return uid
    raise InvalidDicomError(f"it names no {keyword_for_tag(tags[-1])}")

"""Finds the Part 10 file in the answer to a WADO-RS request (PS3.18 10.4): the first part, or the whole."""

from __future__ import annotations

from email.message import Message
from mmap import mmap

from gateway.errors import Retry
from gateway.receive.part_10 import is_part_10

_HEAD_END, _MOST_HEAD_BYTES = b"\r\n\r\n", 4096


def part_10_in(content: bytes | mmap, content_type: str) -> tuple[int, int]:
    """Return begin and end of the first Part 10 file in an answer.

    Parameters
    ----------
    content
        `bytes`, or a file that is mapped into memory.

    Raises
    ------
    Retry
        If there is none, or its end is missing.
    """
    if is_part_10(content[:132]):
        return 0, len(content)
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary("")
    if not boundary:
        raise Retry("the server gave no DICOM file, and no multipart body with a boundary")
    delimiter = b"--" + boundary.encode("latin-1", "replace")
    first = content.find(delimiter, 0, _MOST_HEAD_BYTES)
    head_end = content.find(_HEAD_END, first, first + _MOST_HEAD_BYTES) if first >= 0 else -1
    begin = head_end + len(_HEAD_END)
    end = content.find(b"\r\n" + delimiter, begin) if head_end >= 0 else -1
    if end < 0:
        raise Retry("the server gave a multipart body whose first part is not whole")
    return begin, end

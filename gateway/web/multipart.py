"""The body of a Store request: multipart/related (RFC 2387) of Part 10 files (PS3.18 10.5.1 and 8.6)."""

from __future__ import annotations

from email.message import Message

MOST_PARTS = 2000
"""In one body; as many images in a study fill the largest body with 128 KiB each."""


class NotMultipart(Exception):  # noqa: N818 - reads as what the body is
    """The body is cut or has no parts: nothing in it counts as sent."""


class TooManyParts(Exception):  # noqa: N818 - reads as what is wrong
    """More than `MOST_PARTS`."""


def boundary_of(content_type: str) -> str | None:
    """Return the boundary of a body of DICOM files, empty if none is named, None for another media type."""
    header = Message()
    header["Content-Type"] = content_type
    root = header.get_param("type", "")
    if header.get_content_type() != "multipart/related" or str(root).lower() != "application/dicom":
        return None
    return header.get_boundary("")


def parts_of(body: bytes, boundary: str) -> list[memoryview]:
    """Return the content of each part of a multipart body (RFC 2046 5.1.1), without a copy.

    Raises
    ------
    NotMultipart
        If there is no part, or the head or the end of one or the last delimiter is missing.
    TooManyParts
        If there are more than `MOST_PARTS`.
    """
    if not boundary:
        raise NotMultipart("the media type names no boundary")
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    content, parts = memoryview(body), []
    position = _after_first(body, delimiter)
    while not body.startswith(b"--", position):
        end = body.find(delimiter, position)
        head = body.find(b"\r\n\r\n", position, end + 2)
        if end < 0 or head < 0 or body[position : head + 2].lstrip(b" \t")[:2] != b"\r\n":
            raise NotMultipart("a part, or the last delimiter, is not whole")
        parts.append(content[head + 4 : end])
        position = end + len(delimiter)
        if len(parts) > MOST_PARTS:
            raise TooManyParts(f"more than {MOST_PARTS} parts")
    if not parts:
        raise NotMultipart("the body holds no part")
    return parts


def _after_first(body: bytes, delimiter: bytes) -> int:
    """Return where the first delimiter ends; it may begin the body, or stand after a preamble."""
    if body.startswith(delimiter[2:]):
        return len(delimiter) - 2
    begin = body.find(delimiter)
    if begin < 0:
        raise NotMultipart("the body holds no part; is the boundary right?")
    return begin + len(delimiter)

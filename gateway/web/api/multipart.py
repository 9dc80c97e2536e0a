"""Finds the parts of multipart bodies (RFC 2046 5.1.1) without copying them: Part 10 files (PS3.18 10.5.1),
forms.

STOW-RS and `POST /predict` call it.
"""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value
from typing import NamedTuple

from gateway.web.body import Body

MOST_PARTS = 2000
"""Limit on parts of one body: as many images of 128 KiB fill the largest body."""
MOST_HEAD_BYTES = 4096
"""Of one part."""


class NotMultipart(Exception):  # noqa: N818 - describes the body
    """The body is truncated or has no parts; no part counts as received."""


class TooManyParts(Exception):  # noqa: N818 - describes the body
    """The body has more parts than `MOST_PARTS`."""


class Part(NamedTuple):
    """One part: its headers, and begin and end of its content in the body."""

    head: bytes
    begin: int
    end: int

    def field(self) -> tuple[str, str]:
        """Return the names of form field and file (RFC 7578 4.2), empty where absent."""
        headers = BytesHeaderParser().parsebytes(self.head)
        disposition = "Content-Disposition"
        return _parameter(headers, "name", disposition), _parameter(headers, "filename", disposition).strip()


def boundary_of(content_type: str) -> str | None:
    """Return the boundary of a body of DICOM files, empty where absent, None for another media type."""
    header = _header(content_type)
    root = _parameter(header, "type")
    if header.get_content_type() != "multipart/related" or root.lower() != "application/dicom":
        return None
    return _parameter(header, "boundary").rstrip()


def form_boundary_of(content_type: str) -> str | None:
    """Return the boundary of a form with files, or None for another media type."""
    header = _header(content_type)
    is_form = header.get_content_type() == "multipart/form-data"
    return _parameter(header, "boundary").rstrip() if is_form else None


def parts_of(body: Body, boundary: str) -> list[Part]:
    """Return the parts of a multipart body.

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
    position, parts = _after_first(body, delimiter), list[Part]()
    while body.read(position, position + 2) != b"--":
        end = body.find(delimiter, position)
        if end < 0:
            raise NotMultipart("a part, or the last delimiter, is not whole")
        parts.append(_part(body, position, end))
        position = end + len(delimiter)
        if len(parts) > MOST_PARTS:
            raise TooManyParts(f"more than {MOST_PARTS} parts")
    if not parts:
        raise NotMultipart("the body holds no part")
    return parts


def _part(body: Body, begin: int, end: int) -> Part:
    head_end = body.find(b"\r\n\r\n", begin, min(end + 2, begin + MOST_HEAD_BYTES))
    head = body.read(begin, head_end + 2) if head_end >= 0 else b""
    if head.lstrip(b" \t")[:2] != b"\r\n":
        raise NotMultipart(
            f"a part does not begin with headers of at most {MOST_HEAD_BYTES} bytes and an empty line"
        )
    return Part(head.lstrip(b" \t")[2:], head_end + 4, max(end, head_end + 4))


def _after_first(body: Body, delimiter: bytes) -> int:
    """Return the end of the first delimiter, at the begin of the body or after a preamble."""
    dashes = delimiter[2:]
    if body.read(0, len(dashes)) == dashes:
        begin = 0
    elif (begin := body.find(delimiter, 0) + 2) < 2:
        if body.find(b"\n" + dashes, 0) >= 0:
            raise NotMultipart(_BARE_LF)
        raise NotMultipart("the body holds no part; is the boundary right?")
    after = begin + len(dashes)
    if body.read(after, after + 1) == b"\n":
        raise NotMultipart(_BARE_LF)
    return after


_BARE_LF = "the delimiter's line ends in LF alone; multipart bodies need CR LF (RFC 2046 5.1.1)"


def _parameter(headers: Message, name: str, header: str = "Content-Type") -> str:
    """Return a parameter, empty where absent or where its pieces (RFC 2231) make no text."""
    try:
        return collapse_rfc2231_value(headers.get_param(name, "", header))
    except (TypeError, ValueError):
        return ""


def _header(content_type: str) -> Message:
    header = Message()
    header["Content-Type"] = content_type
    return header

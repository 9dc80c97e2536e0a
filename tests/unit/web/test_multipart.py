"""The parts of a Store request's body, and what is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

import pytest

from gateway.web import body as bodies
from gateway.web.api.multipart import MOST_PARTS, NotMultipart, TooManyParts, boundary_of, parts_of
from gateway.web.body import Body


@contextmanager
def body_of(content: bytes) -> Iterator[Body]:
    with TemporaryFile(buffering=0) as file:
        file.write(content)
        yield Body(file)


def contents(content: bytes) -> list[bytes]:
    with body_of(content) as body:
        return [bytes(body.view(part.begin, part.end)) for part in parts_of(body, "B")]


KIND = 'multipart/related; type="application/dicom"'


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (f"{KIND}; boundary=B", "B"),
        (f"{KIND}; boundary=B ; x=1", "B"),
        (f'{KIND}; boundary="a; b=c"', "a; b=c"),
        ("Multipart/Related; Type=application/dicom; Boundary=B", "B"),
        (KIND, ""),
        (f"{KIND}; boundary*=utf-8''a%20b", "a b"),
        (f"{KIND}; boundary*0;;boundary*=B", None),
        (f"{KIND}; boundary*1*=\0x''B", ""),
        ("multipart/related; boundary=B", None),
        ('multipart/related; type="application/dicom+xml"; boundary=B', None),
        ("application/dicom", None),
        ("", None),
    ],
)
def test_the_media_type_names_the_boundary(content_type: str, boundary: str | None) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"--B\r\n\r\nx\r\n--B--", [b"x"]),
        (b"--B\r\n\r\n\r\n--B--", [b""]),
        (b"--B\r\n\r\n--B--", [b""]),
        (b"\r\n--B\r\nA: b\r\n\r\nx\r\n--B  \r\n\r\n\r\ny\r\n--B--\r\nepilogue", [b"x", b"\r\ny"]),
        (b"preamble\r\n--B\r\nA: b\r\n\r\n--C\r\n\r\n--B--", [b"--C\r\n"]),
    ],
)
def test_parts_are_what_lies_between_delimiters(body: bytes, parts: list[bytes]) -> None:
    assert contents(body) == parts


def test_parts_are_found_however_few_bytes_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [bytes([number]) * 5000 for number in range(20)]
    body = b"".join(b"--B\r\nA: b\r\n\r\n" + each + b"\r\n" for each in parts) + b"--B--"
    for window in range(16, 24):
        monkeypatch.setattr(bodies, "WINDOW_BYTES", window)
        assert contents(body) == parts


def test_a_form_names_its_fields() -> None:
    head = b'Content-Disposition: form-data; name="file"; filename="a b.dcm"'
    with body_of(b"--B\r\n" + head + b"\r\n\r\nx\r\n--B--") as body:
        (part,) = parts_of(body, "B")
    assert part.field() == ("file", "a b.dcm")


@pytest.mark.parametrize("body", [b"--B\n\nx\n--B--\n", b"pre\n--B\n\nx\n--B--\n"])
def test_lines_that_end_in_lf_are_told(body: bytes) -> None:
    with pytest.raises(NotMultipart, match="CR LF"):
        contents(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B--",
        b"--B",
        b"--C\r\n\r\nx\r\n--C--",
        b"--B\r\n\r\nx",
        b"--B\r\n\r\nx\r\n--B",
        b"--B\r\n\r\nx\r\n--B\r\n\r\ny",
        b"--B\r\nA: b\r\n--B\r\n\r\nx\r\n--B--",
        b"--B\r\n\r\nx\r\n--Beyond\r\n\r\ny\r\n--B--",
    ],
)
def test_a_cut_body_has_no_parts_at_all(body: bytes) -> None:
    with pytest.raises(NotMultipart):
        contents(body)


def test_parts_are_counted() -> None:
    with pytest.raises(TooManyParts):
        contents(b"--B\r\n\r\n\r\n" * (MOST_PARTS + 1) + b"--B--")

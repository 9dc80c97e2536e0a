"""The parts of a Store request's body, and what is none."""

import pytest

from gateway.web.multipart import MOST_PARTS, NotMultipart, TooManyParts, boundary_of, parts_of

KIND = 'multipart/related; type="application/dicom"'


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (f"{KIND}; boundary=B", "B"),
        (f"{KIND}; boundary=B ; x=1", "B"),
        (f'{KIND}; boundary="a; b=c"', "a; b=c"),
        ("Multipart/Related; Type=application/dicom; Boundary=B", "B"),
        (KIND, ""),
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
    assert [bytes(part) for part in parts_of(body, "B")] == parts


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
        parts_of(body, "B")


def test_parts_are_counted() -> None:
    with pytest.raises(TooManyParts):
        parts_of(b"--B\r\n\r\n\r\n" * (MOST_PARTS + 1) + b"--B--", "B")

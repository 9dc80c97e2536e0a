"""Inputs that the receiver refuses: what is sent, and the status that its sender gets."""

from __future__ import annotations

import zlib

from pydicom import uid

from gateway.dicom.statuses import Status
from tests.acceptance.inputs.codestreams import compressed, jpeg_2000
from tests.acceptance.inputs.sent import (
    EXPLICIT,
    IMPLICIT,
    UNDEFINED,
    Make,
    Sent,
    before_pixels,
    changed,
    element,
    nested,
    raw_text,
)
from tests.support.sources import dx, encoded


def deflate_bomb() -> Sent:
    deflater = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    begun = deflater.compress(element(0x0009, 0x1001, b"OB", b"", 1 << 30))
    data = begun + b"".join(deflater.compress(bytes(1 << 24)) for _ in range(20)) + deflater.flush()
    return Sent(data, uid.DeflatedExplicitVRLittleEndian)


REFUSED: dict[str, tuple[Make, Status]] = {
    "garbage bytes": (lambda: Sent(b"\x93garbage, no data set" * 40), Status.NOT_PARSABLE),
    "HTML saved as .dcm": (
        lambda: Sent(b"<html><body>504 Gateway Time-out</body></html>"),
        Status.NOT_PARSABLE,
    ),
    "truncated header": (lambda: changed(lambda data: data[:701]), Status.TRUNCATED),
    "truncated pixels": (lambda: changed(lambda data: data[:-1000]), Status.PIXELS_TRUNCATED),
    "pixels shorter than Rows and Columns": (lambda: Sent.of(dx(Rows=97)), Status.PIXELS_TRUNCATED),
    "fragments cut off": (
        lambda: changed(lambda data: data[:-20], compressed(jpeg_2000(), uid.JPEG2000Lossless)),
        Status.PIXELS_TRUNCATED,
    ),
    "a Part 10 file sent as data set": (lambda: Sent(encoded(dx())), Status.PART_10_FILE),
    "an empty data set": (lambda: Sent(b""), Status.EMPTY),
    "no data set": (lambda: Sent(None), Status.EMPTY),
    "another SOP class in the command": (
        lambda: Sent.of(
            dx(), sop_class=uid.ComputedRadiographyImageStorage, context=uid.ComputedRadiographyImageStorage
        ),
        Status.SOP_CLASS_MISMATCH,
    ),
    "another SOP class in the context": (
        lambda: Sent.of(dx(), context=uid.ComputedRadiographyImageStorage),
        Status.SOP_CLASS_MISMATCH,
    ),
    "another SOP instance in the command": (
        lambda: Sent.of(dx(), sop_instance="1.2.3.4"),
        Status.INVALID_SOP_INSTANCE,
    ),
    "an unknown SOP class": (
        lambda: Sent.of(dx(), sop_class="1.2.3", context=uid.ComputedRadiographyImageStorage),
        Status.SOP_CLASS_NOT_SUPPORTED,
    ),
    "path traversal in the SOP Instance UID": (
        lambda: Sent.of(dx(), sop_instance="../../../etc/passwd"),
        Status.INVALID_SOP_INSTANCE,
    ),
    "path traversal in the Study Instance UID": (
        lambda: raw_text(dx(StudyInstanceUID="1.2.3.4.5.6.7.8"), "1.2.3.4.5.6.7.8", b"../../../../tmp"),
        Status.UID_INVALID,
    ),
    "no Study Instance UID": (lambda: Sent.of(dx(StudyInstanceUID="")), Status.UID_MISSING),
    "implicit bytes in an explicit context": (
        lambda: Sent.of(dx(), IMPLICIT, syntax=EXPLICIT),
        Status.WRONG_ENCODING,
    ),
    "explicit bytes in an implicit context": (lambda: Sent.of(dx(), syntax=IMPLICIT), Status.TRUNCATED),
    "little endian in a big endian context": (
        lambda: Sent.of(dx(), syntax=uid.ExplicitVRBigEndian),
        Status.NOT_PARSABLE,
    ),
    "compression bomb: deflated": (deflate_bomb, Status.INFLATES_TOO_FAR),
    "not deflated in a deflated context": (
        lambda: Sent.of(dx(), syntax=uid.DeflatedExplicitVRLittleEndian),
        Status.NOT_PARSABLE,
    ),
    "sequences nested without end": (lambda: changed(before_pixels(nested(5000))), Status.NESTED_TOO_DEEP),
    "a sequence that is never closed": (
        lambda: changed(before_pixels(element(0x0008, 0x1032, b"SQ", b"", UNDEFINED))),
        Status.NOT_PARSABLE,
    ),
    "a length beyond the end": (
        lambda: changed(before_pixels(element(0x0009, 0x1010, b"OB", b"", 0x7FFFFFFF))),
        Status.TRUNCATED,
    ),
    "a value representation that is none": (
        lambda: changed(before_pixels(element(0x0009, 0x1010, b"??", b"ab"))),
        Status.NOT_PARSABLE,
    ),
}

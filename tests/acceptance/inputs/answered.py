"""Odd inputs that are answered all the same."""

from __future__ import annotations

import imagecodecs
import jpeg_ls
import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset

from gateway.proof.images import chest_pixels
from tests.acceptance.inputs.codestreams import (
    compressed,
    fragments,
    jpeg_2000,
    jpeg_lossless,
    with_fragments,
)
from tests.acceptance.inputs.sent import (
    END_OF_ITEM,
    END_OF_SEQUENCE,
    UNDEFINED,
    Make,
    Sent,
    before_pixels,
    changed,
    element,
    nested,
    raw_text,
    sequence_item,
)
from tests.support.sources import cr, dx, item

TYPE_2 = (
    *("PatientName", "PatientID", "PatientSex", "PatientBirthDate", "ReferringPhysicianName"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "SeriesNumber", "PatientOrientation"),
)


def signed_jpeg_ls() -> Dataset:
    patterns = (chest_pixels().astype(np.int32) - 2048) & 0xFFF
    return compressed(
        bytes(jpeg_ls.encode_array(patterns.astype(np.uint16))), uid.JPEGLSLossless, cr(PixelRepresentation=1)
    )


def jpeg_ls_fragments() -> Dataset:
    stream = bytes(imagecodecs.jpegls_encode(chest_pixels()))
    parts = [stream[start : start + 100] for start in range(0, len(stream), 100)]
    return with_fragments(fragments(b"", *parts, b""), uid.JPEGLSLossless)


def hidden_nested(depth: int) -> bytes:
    """Return the same within a sequence whose length is defined, which the receiver passes over."""
    return element(0x0008, 0x1032, b"SQ", sequence_item(nested(depth)))


def private_sequence() -> bytes:
    begin = element(0x0009, 0x1010, b"SQ", b"", UNDEFINED) + sequence_item(b"", UNDEFINED)
    creator = element(0x0009, 0x0010, b"LO", b"EXAMPLE ")
    return creator + begin + element(0x0009, 0x1011, b"LO", b"VALUE ") + END_OF_ITEM + END_OF_SEQUENCE


def table(bits: int, first: int = 0) -> Dataset:
    """Return an item of a Modality or VOI LUT Sequence."""
    entries = np.linspace(0, (1 << bits) - 1, 4096).astype("<u2")
    return item(LUTDescriptor=[4096, first, bits], LUTData=entries.tobytes(), ModalityLUTType="US")


def bordered() -> Dataset:
    pixels = chest_pixels()
    pixels[:10] = 4095
    return cr(pixels=pixels, PixelPaddingValue=4095)


ANSWERED: dict[str, Make] = {
    "an item whose content is no data set": lambda: changed(
            before_pixels(
                element(0x0008, 0x1032, b"SQ", sequence_item(b"\xff" * 20) + END_OF_SEQUENCE, UNDEFINED)
            )
        ),
    "bad characters": lambda: raw_text(cr(PatientName="Example^Edith"), "Edith", b"\xff\xfe\x80\x81\x1b"),
    "a character set that is none": lambda: raw_text(
        cr(SpecificCharacterSet="ISO 2022 IR 6"), "ISO 2022 IR 6", b"Not Supplied!"
    ),
    "absent type 2 attributes": lambda: Sent.of(cr(**dict.fromkeys(TYPE_2))),
    "bad dates and times": lambda: raw_text(
        cr(StudyDate="20250401", StudyTime="101530", PatientBirthDate="19570312"), "20250401", b"2025.4.1"
    ),
    "a time that is none": lambda: raw_text(cr(StudyTime="101530"), "101530", b"256199"),
    "path traversal in the Patient ID": lambda: Sent.of(
        cr(PatientID="../../../../tmp/x", AccessionNumber="../..")
    ),
    "a name of ten thousand letters": lambda: changed(
        lambda data: data.replace(b"PN\x0e\0Example^Edith ", b"PN\x10\x27" + b"X" * 10_000, 1)
    ),
    "JPEG Lossless SV1": lambda: Sent.of(compressed(jpeg_lossless(), uid.JPEGLosslessSV1)),
    "JPEG 2000 whose precision is not Bits Stored": lambda: Sent.of(
        compressed(jpeg_2000(16), uid.JPEG2000Lossless)
    ),
    "signed JPEG-LS": lambda: Sent.of(signed_jpeg_ls()),
    "empty offset table, many fragments, zero-byte last fragment": lambda: Sent.of(jpeg_ls_fragments()),
    "deflated": lambda: Sent.of(cr(), uid.DeflatedExplicitVRLittleEndian),
    "trailing pixel bytes": lambda: Sent.of(cr(PixelData=chest_pixels().tobytes() + bytes(1000))),
    "trailing padding": lambda: changed(lambda data: data + element(0xFFFC, 0xFFFC, b"OB", bytes(100))),
    "MONOCHROME1 without INVERSE": lambda: Sent.of(cr(PhotometricInterpretation="MONOCHROME1")),
    "MONOCHROME1 with INVERSE": lambda: Sent.of(
        dx(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    ),
    "VOI LUT beside a window": lambda: Sent.of(dx(VOILUTSequence=[table(12)])),
    "window width 0": lambda: Sent.of(dx(WindowWidth=0)),
    "windows beyond reason": lambda: raw_text(dx(WindowCenter="123456"), "123456", b"1e9999"),
    "empty slope": lambda: Sent.of(dx(RescaleSlope=None, RescaleIntercept=None, RescaleType=None)),
    "12-bit Modality LUT": lambda: Sent.of(cr(ModalityLUTSequence=[table(12)])),
    "padding borders": lambda: Sent.of(bordered()),
    "missing View Position": lambda: Sent.of(cr(ViewPosition=None)),
    "private sequences of undefined length": lambda: changed(before_pixels(private_sequence())),
    "sequences nested within a defined length": lambda: changed(before_pixels(hidden_nested(5000))),
    "odd lengths": lambda: changed(before_pixels(element(0x0018, 0x1400, b"LO", b"odd"))),
    "group lengths": lambda: changed(lambda data: element(0x0008, 0, b"UL", b"\0\1\0\0") + data),
    "UN where the standard has a value representation": lambda: changed(
        lambda data: data.replace(b"\x18\0\x01\x51CS\x02\0PA", element(0x0018, 0x5101, b"UN", b"PA"), 1)
    ),
    "High Bit that is none": lambda: Sent.of(cr(HighBit=200)),
}  # fmt: skip

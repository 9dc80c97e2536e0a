"""Expected grey values are worked out by hand from the formulas of PS3.3 C.11.1 and C.11.2."""

from typing import Any

import numpy as np
import pytest

from gateway.errors import Reject
from gateway.imaging.decode import decode
from gateway.imaging.fingerprint import pixel_digest
from gateway.records import Reason
from tests.unit.imaging.tiny_image import everything, grey, look_up_table, reread, scaled, tiny_image

STEP = 1 / (1 + np.exp(-1))

WINDOWS: dict[str, tuple[dict[str, Any], list[int], list[float]]] = {
    # what: attributes, stored values, display values
    "none: the values present": ({}, [40, 80, 240], [0, 0.2, 1]),
    "LINEAR": (
        {"WindowCenter": "100", "WindowWidth": "11"},
        [94, 95, 99, 100, 104, 105],
        [0, 0.05, 0.45, 0.55, 0.95, 1],
    ),
    "LINEAR over everything": ({"WindowCenter": "128", "WindowWidth": "256"}, [0, 51, 255], [0, 0.2, 1]),
    "LINEAR of width 1": ({"WindowCenter": "100", "WindowWidth": "1"}, [98, 99, 100, 101], [0, 0, 1, 1]),
    "LINEAR_EXACT": (
        {"WindowCenter": "100", "WindowWidth": "10", "VOILUTFunction": "LINEAR_EXACT"},
        [95, 96, 99, 104, 105],
        [0, 0.1, 0.4, 0.9, 1],
    ),
    "LINEAR_EXACT below 1": (
        {"WindowCenter": "100", "WindowWidth": "0.5", "VOILUTFunction": "LINEAR_EXACT"},
        [99, 100, 101],
        [0, 0.5, 1],
    ),
    "SIGMOID": (
        {"WindowCenter": "100", "WindowWidth": "40", "VOILUTFunction": "SIGMOID"},
        [90, 100, 110],
        [1 - STEP, 0.5, STEP],
    ),
    "first of several": (
        {"WindowCenter": ["100", "9"], "WindowWidth": ["11", "3"]},
        [94, 95, 105],
        [0, 0.05, 1],
    ),
    "width 0: the values present": ({"WindowCenter": "100", "WindowWidth": "0"}, [40, 80, 240], [0, 0.2, 1]),
    "width below 1: the values present": (
        {"WindowCenter": "9", "WindowWidth": "0.5"},
        [40, 80, 240],
        [0, 0.2, 1],
    ),
    "centre alone": ({"WindowCenter": "100"}, [40, 80, 240], [0, 0.2, 1]),
    "empty function": (
        {"WindowCenter": "100", "WindowWidth": "11", "VOILUTFunction": ""},
        [95, 105],
        [0.05, 1],
    ),
    "unknown function": (
        {"WindowCenter": "100", "WindowWidth": "11", "VOILUTFunction": "LOG"},
        [95, 105],
        [0.05, 1],
    ),
}

MODALITIES: dict[str, tuple[dict[str, Any], list[int], list[float]]] = {
    "slope and intercept": (
        {"RescaleSlope": "2", "RescaleIntercept": "-10", "WindowCenter": "100", "WindowWidth": "11"},
        [52, 53, 54, 57],  # 94, 96, 98, 104
        [0, 0.15, 0.35, 0.95],
    ),
    "intercept without slope": (
        {"RescaleIntercept": "-10", "WindowCenter": "100", "WindowWidth": "11"},
        [105, 115],
        [0.05, 1],
    ),
    "empty slope": (
        {"RescaleSlope": "", "RescaleIntercept": "-10", "WindowCenter": "100", "WindowWidth": "11"},
        [105, 115],
        [0.05, 1],
    ),
    "slope 0 is ignored": ({"RescaleSlope": "0", "RescaleIntercept": "5"}, [0, 51, 255], [0, 0.2, 1]),
    "negative slope": ({"RescaleSlope": "-1", "RescaleIntercept": "255"}, [0, 51, 255], [1, 0.8, 0]),
    "the values present follow the rescale": (
        {"RescaleSlope": "4", "RescaleIntercept": "-99"},
        [40, 80, 240],
        [0, 0.2, 1],
    ),
    "LUT of 12 bits": (
        {"ModalityLUTSequence": [look_up_table(10, 12, [0, 819, 4095])]},
        [0, 10, 11, 12, 255],
        [0, 0, 0.2, 1, 1],
    ),
    "LUT of 10 bits": (
        {"ModalityLUTSequence": [look_up_table(0, 10, [1023, 0])]},
        [0, 1, 2],
        [1, 0, 0],
    ),
    "LUT before slope": (
        {"ModalityLUTSequence": [look_up_table(0, 8, [0, 255])], "RescaleSlope": "0.001"},
        [0, 1],
        [0, 1],
    ),
    "LUT, then window": (
        {
            "ModalityLUTSequence": [look_up_table(0, 12, [0, 99, 100])],
            "WindowCenter": "100",
            "WindowWidth": "11",
        },
        [0, 1, 2],
        [0, 0.45, 0.55],
    ),
}

VOI_LUTS: dict[str, tuple[dict[str, Any], list[int], list[float]]] = {
    "16 bits": ({"VOILUTSequence": [look_up_table(1, 16, [0, 13107, 65535])]}, [0, 2, 3, 9], [0, 0.2, 1, 1]),
    "8 bits in words": ({"VOILUTSequence": [look_up_table(0, 8, [0, 51, 255])]}, [0, 1, 2], [0, 0.2, 1]),
    "8 bits packed": (
        {"VOILUTSequence": [look_up_table(0, 8, [0, 51, 255], packed=True)]},
        [0, 1, 2],
        [0, 0.2, 1],
    ),
    "before the window": (
        {
            "VOILUTSequence": [look_up_table(0, 12, [0, 819, 4095])],
            "WindowCenter": "100",
            "WindowWidth": "11",
        },
        [0, 1, 2],
        [0, 0.2, 1],
    ),
    "first of several": (
        {"VOILUTSequence": [look_up_table(0, 8, [255, 0]), look_up_table(0, 8, [0, 255])]},
        [0, 1],
        [1, 0],
    ),
    "entries that need more bits than declared": (
        {"VOILUTSequence": [look_up_table(0, 10, [0, 819, 4095])]},
        [0, 1, 2],
        [0, 0.2, 1],
    ),
    "negative first value": (
        {
            "RescaleIntercept": "-100",
            "RescaleSlope": "1",
            "VOILUTSequence": [look_up_table(-100, 8, [0, 51, 255])],
        },
        [0, 1, 2],
        [0, 0.2, 1],
    ),
    "without data: window": (
        {"VOILUTSequence": [look_up_table(0, 8, [])], "WindowCenter": "100", "WindowWidth": "11"},
        [95, 105],
        [0.05, 1],
    ),
}


@pytest.mark.parametrize("case", [*WINDOWS.values(), *MODALITIES.values(), *VOI_LUTS.values()])
def test_grey_values(case: tuple[dict[str, Any], list[int], list[float]]) -> None:
    attributes, stored, shown = case
    ds = tiny_image(stored, **attributes)
    assert grey(ds) == pytest.approx(scaled(*shown), abs=1)
    assert grey(reread(ds)) == grey(ds)


@pytest.mark.parametrize("bits", range(8, 17))
@pytest.mark.parametrize("signed", [False, True])
def test_every_depth_reaches_from_black_to_white(bits: int, signed: bool) -> None:
    lowest = -(1 << (bits - 1)) if signed else 0
    assert grey(tiny_image([lowest, lowest + (1 << bits) - 1], bits, signed)) == [0, 65535]


def test_monochrome1_is_inverted_once_and_after_the_window() -> None:
    window = {"WindowCenter": "100", "WindowWidth": "11"}
    ds = tiny_image([94, 95, 105], PhotometricInterpretation="MONOCHROME1", **window)
    assert grey(ds) == scaled(1, 0.95, 0)
    ds.PresentationLUTShape = "INVERSE"
    assert grey(ds) == scaled(1, 0.95, 0)
    assert not any("conflict" in step for step in decode(ds).steps)


@pytest.mark.parametrize(
    ("interpretation", "shape", "expected"),
    [("MONOCHROME1", "IDENTITY", [65535, 0]), ("MONOCHROME2", "INVERSE", [0, 65535])],
)
def test_photometric_interpretation_wins_over_presentation_lut_shape(
    interpretation: str, shape: str, expected: list[int]
) -> None:
    ds = tiny_image([0, 255], PhotometricInterpretation=interpretation, PresentationLUTShape=shape)
    assert grey(ds) == expected
    assert f"Presentation LUT Shape {shape} contradicts {interpretation}" in " ".join(decode(ds).steps)


def test_padding_is_told_by_stored_values_and_black_in_either_interpretation() -> None:
    window = {"WindowCenter": "228", "WindowWidth": "256"}
    attributes = {"RescaleSlope": "1", "RescaleIntercept": "100", "PixelPaddingValue": 255, **window}
    assert grey(tiny_image([0, 51, 255], **attributes)) == scaled(0, 0.2, 0)
    inverse = tiny_image([0, 51, 255], PhotometricInterpretation="MONOCHROME1", **attributes)
    assert grey(inverse) == scaled(1, 0.8, 0)


@pytest.mark.parametrize(("value", "limit"), [(-8, -5), (-5, -8)])
def test_padding_range_of_signed_values(value: int, limit: int) -> None:
    ds = tiny_image([-9, -8, -6, -5, -4], 12, signed=True, **everything(12, signed=True))
    ds.add_new("PixelPaddingValue", "SS", value)
    ds.add_new("PixelPaddingRangeLimit", "SS", limit)
    assert [pixel > 0 for pixel in grey(ds)] == [True, False, False, False, True]


def test_padding_beyond_bits_stored_spares_the_values_that_share_its_low_bits() -> None:
    ds = tiny_image([0xF830, 0x0830, 0xFFFF, 0x0FFF], 12, PixelPaddingValue=0xF830, **everything(12))
    assert grey(ds) == scaled(0, 0x830 / 4095, 1, 1)


def test_bits_above_bits_stored_are_ignored() -> None:
    overlay, garbage = 0x1000, 0xF000
    assert grey(tiny_image([overlay, 819, garbage + 4095], 12, BitsStored=12)) == scaled(0, 0.2, 1)


def test_high_bit_says_where_the_value_lies() -> None:
    assert grey(tiny_image([0x000F, 0x3330, 0xFFF0], 12, HighBit=15)) == scaled(0, 0.2, 1)


def test_big_endian_and_byte_order_of_8_bit_words() -> None:
    ds = tiny_image([0, 0x3333, 0xFFFF], 16, PixelData=b"\0\0\x33\x33\xff\xff")
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    assert grey(ds) == scaled(0, 0.2, 1)
    swapped = tiny_image([0, 51, 255], PixelData=b"\x33\0\0\xff")
    swapped.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    swapped["PixelData"].VR = "OW"
    assert grey(swapped) == scaled(0, 0.2, 1)


def test_trailing_bytes_are_left_out() -> None:
    ds = tiny_image([0, 51, 255, 0], PixelData=b"\0\x33\xff\0" * 5)
    assert grey(ds) == scaled(0, 0.2, 1, 0)
    assert "16 trailing bytes left out" in decode(ds).steps[0]


def test_overlays_are_not_burnt_in() -> None:
    ds = tiny_image(np.zeros((2, 4)))
    ds.add_new(0x60000010, "US", 2)
    ds.add_new(0x60000011, "US", 4)
    ds.add_new(0x60003000, "OW", b"\xff\0")
    assert not decode(ds).pixels.any()


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({"PixelAspectRatio": [2, 1]}, (8, 6)),
        ({"PixelAspectRatio": [1, 2]}, (4, 12)),
        ({"PixelSpacing": [0.3, 0.2]}, (6, 6)),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (4, 12)),
        ({"PixelSpacing": [0.2, 0.2], "PixelAspectRatio": [2, 1]}, (4, 6)),
        ({"PixelSpacing": [0, 0.2]}, (4, 6)),
        ({"PixelAspectRatio": [1000, 1]}, (4, 6)),
    ],
)
def test_pixels_become_square(attributes: dict[str, Any], shape: tuple[int, int]) -> None:
    assert decode(tiny_image(np.zeros((4, 6)), **attributes)).pixels.shape == shape


REJECTED: dict[str, tuple[dict[str, Any], Reason]] = {
    "no pixel data": ({"PixelData": None}, Reason.NO_PIXELS),
    "empty pixel data": ({"PixelData": b""}, Reason.NO_PIXELS),
    "short pixel data": ({"PixelData": b"\0\0"}, Reason.UNDECODABLE),
    "huge size, little data": ({"Rows": 9999, "Columns": 9999}, Reason.UNDECODABLE),
    "more pixels than a radiograph has": ({"Rows": 65535, "Columns": 65535}, Reason.TOO_LARGE),
    "two frames": ({"NumberOfFrames": 2}, Reason.MULTI_FRAME),
    "RGB": ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, Reason.COLOUR),
    "palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, Reason.COLOUR),
    "unknown polarity": ({"PhotometricInterpretation": None}, Reason.UNDECODABLE),
    "no rows": ({"Rows": None}, Reason.UNDECODABLE),
    "32 bits": ({"BitsAllocated": 32}, Reason.UNDECODABLE),
    "more bits stored than allocated": ({"BitsStored": 12}, Reason.UNDECODABLE),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(name: str) -> None:
    attributes, reason = REJECTED[name]
    with pytest.raises(Reject) as caught:
        decode(tiny_image(np.zeros((4, 4)), **attributes))
    assert caught.value.reason is reason
    assert caught.value.detail.endswith(".")


def test_without_transfer_syntax() -> None:
    ds = tiny_image([0, 1])
    del ds.file_meta
    with pytest.raises(Reject, match="Transfer Syntax"):
        decode(ds)


def test_steps_tell_the_story() -> None:
    ds = tiny_image(
        [0, 4095],
        12,
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope="2",
        RescaleIntercept="-10",
        WindowCenter="2048",
        WindowWidth="4096",
        PixelPaddingValue=0,
    )
    assert decode(ds).steps == (
        "12 bits unsigned, Explicit VR Little Endian",
        "rescaled: slope 2, intercept -10",
        "VOI window centre 2048 width 4096 (LINEAR)",
        "inverted: MONOCHROME1",
        "padding 0 to 0 made black",
    )


def test_equal_pictures_have_equal_digests() -> None:
    digests = {
        pixel_digest(decode(ds))
        for ds in (
            tiny_image([[0, 51], [255, 0]]),
            tiny_image([[255, 204], [0, 255]], PhotometricInterpretation="MONOCHROME1"),
        )
    }
    assert len(digests) == 1
    assert pixel_digest(decode(tiny_image([0, 51, 255, 0]))) not in digests

"""Two sources for one size or place: the data are believed, the other is told of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.errors import Reject
from gateway.imaging.decode import decode
from tests.unit.imaging.tiny_image import grey, look_up_table, raw, scaled, tiny_image

WINDOW = {"WindowCenter": "100", "WindowWidth": "11"}


def lut(length: int, bits: int, entries: list[int], packed: bool = False) -> Dataset:
    """Return a table from 0 whose descriptor says `length` and `bits` whatever there is."""
    item = look_up_table(0, bits, entries, packed)
    item.LUTDescriptor = [length & 0xFFFF, 0, bits]
    return item


RISING = list(range(256))
LUTS: dict[str, tuple[Dataset, list[int], list[float], str]] = {
    # what: table, stored values, display values, part of the step
    "16 bits promised, 12 used": (
        lut(3, 16, [0, 819, 4095]),
        [0, 1, 2],
        [0, 0.2, 1],
        "3 entries of 12 bits from 0 (its descriptor says 16 bits)",
    ),
    "10 bits promised, 12 used": (lut(3, 10, [0, 819, 4095]), [0, 1, 2], [0, 0.2, 1], "says 10 bits"),
    "8 bits in words, one entry short": (
        lut(256, 8, RISING[:255]),
        [0, 51, 254, 255],
        [0, 0.2, 254 / 255, 254 / 255],
        "says 256 entries",
    ),
    "8 bits in words, one entry more": (
        lut(255, 8, RISING),
        [0, 51, 254],
        [0, 0.2, 254 / 255],
        "255 entries of 8 bits",
    ),
    "8 bits packed, one entry short": (
        lut(256, 8, RISING[:255], packed=True),
        [0, 51, 254],
        [0, 0.2, 254 / 255],
        "256 entries of 8 bits",
    ),
    "many entries more": (lut(16, 8, RISING), [0, 51, 255], [0, 0.2, 1], "says 16 entries"),
    "a word of filling": (lut(2, 8, [0, 255, 0]), [0, 1, 2], [0, 1, 0], "3 entries"),
    "16 bits, a word of filling": (lut(16, 8, [*[0] * 15, 255, 0]), [0, 15, 16], [0, 1, 1], "16 entries"),
}


@pytest.mark.parametrize("name", LUTS)
@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_is_read_by_what_it_holds(name: str, sequence: str) -> None:
    item, stored, expected, step = LUTS[name]
    attributes: dict[str, Any] = {sequence: [item]}
    if sequence == "ModalityLUTSequence":
        highest = 4095 if "12 used" in name else 255
        attributes |= {"WindowCenter": f"{highest / 2 + 0.5}", "WindowWidth": f"{highest + 1}"}
    ds = tiny_image(stored, **attributes)
    assert grey(ds) == pytest.approx(scaled(*expected), abs=1)
    assert step in "; ".join(decode(ds).steps)


BROKEN = {
    "one entry of 256": lut(256, 8, [7]),
    "1000 of 4096": lut(4096, 12, list(range(1000))),
    "no data": lut(256, 8, []),
    "17 bits": lut(256, 17, RISING),
    "no descriptor": Dataset(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_table_gives_way_to_the_next_and_to_the_window(name: str) -> None:
    second = tiny_image([0, 51, 255], VOILUTSequence=[BROKEN[name], lut(256, 8, RISING)], **WINDOW)
    assert grey(second) == scaled(0, 0.2, 1)
    window = tiny_image([95, 105], VOILUTSequence=[BROKEN[name]], **WINDOW)
    assert grey(window) == scaled(0.05, 1)
    none = tiny_image([40, 80, 240], VOILUTSequence=[BROKEN[name]])
    assert grey(none) == scaled(0, 0.2, 1)
    modality = tiny_image([95, 105], ModalityLUTSequence=[BROKEN[name]], **WINDOW)
    assert grey(modality) == scaled(0.05, 1)
    for ds in (second, window, none, modality):
        assert "1 unusable LUTs passed over" in "; ".join(decode(ds).steps)


PAIRS = {
    "a second centre that is no number": (b"100\\SOFT", b"11\\9", ""),
    "a first centre that is empty": (b"\\100", b"4096\\11", "1 unusable windows passed over"),
    "a first centre that is no number": (b"2048,0\\100", b"4096\\11", "1 unusable windows passed over"),
    "a first width of 0": (b"7\\100", b"0\\11", "window centre 7 width 0 (LINEAR) is not valid"),
    "two that are none": (b"inf\\1_000\\100", b"5\\5\\11", "2 unusable windows passed over"),
    "a width missing at the end": (b"100\\9", b"11", ""),
    "empty values at the end": (b"100\\\\", b"11\\\\", ""),
}


@pytest.mark.parametrize("name", PAIRS)
def test_centres_and_widths_belong_together_by_their_place(name: str) -> None:
    centers, widths, remark = PAIRS[name]
    ds = raw(raw(tiny_image([95, 105]), "WindowCenter", "DS", centers), "WindowWidth", "DS", widths)
    assert grey(ds) == scaled(0.05, 1)
    assert remark in decode(ds).steps[1]


UNREADABLE = [b"2048,0", b"NaN", b"inf", b"-Infinity", b"1_000", b"0x10", b"1 000", b"\xb2", b"--1", b"1e999"]


@pytest.mark.parametrize("text", UNREADABLE)
@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"])
def test_a_number_that_cannot_be_read_is_told(keyword: str, text: bytes) -> None:
    ds = raw(tiny_image([95, 105], **WINDOW), keyword, "DS", text)
    steps = "; ".join(decode(ds).steps)
    if keyword.startswith("Window"):
        assert "no VOI: values present, 95 to 105; 1 unusable windows passed over" in steps
    else:
        assert grey(ds) == scaled(0.05, 1)
        assert f"{keyword} cannot be read" in steps


@pytest.mark.parametrize("text", ["7", "+7", "-7.", ".7", "7e2", "7.5E-3", " 7 "])
def test_numbers_as_the_standard_has_them(text: str) -> None:
    ds = raw(Dataset(), "RescaleSlope", "DS", text.encode())
    assert header.numbers(ds, "RescaleSlope") == (float(text),)


def test_values_that_need_more_than_bits_stored_are_told() -> None:
    ds = tiny_image([0, 1100], 10, BitsStored=10, HighBit=9)
    assert decode(ds).steps[0].endswith("; bits above bit 9 left out")
    assert not decode(tiny_image([0, 1023], 10)).steps[0].endswith("left out")


@pytest.mark.parametrize("extended", [True, False])
def test_copies_of_the_sign_are_no_values(extended: bool) -> None:
    cells = np.array([-5, 5]) & (0xFFFF if extended else 0x0FFF)
    ds = tiny_image(cells, 12, PixelRepresentation=1)
    assert not decode(ds).steps[0].endswith("left out")


@pytest.mark.parametrize("times", [2, 3, 4])
def test_pixel_data_of_another_depth_is_not_taken_for_trailing_bytes(times: int) -> None:
    ds = tiny_image(np.arange(64).reshape(8, 8))
    ds.PixelData = ds.PixelData * times
    with pytest.raises(Reject, match=f"{64 * times} bytes, 64 are expected"):
        decode(ds)


def test_a_shutter_that_cannot_be_read_is_told() -> None:
    ds = tiny_image([0, 255], ShutterShape="CIRCULAR", RadiusOfCircularShutter=3)
    assert (
        decode(ds).steps[-1] == "circular shutter left out: its attributes are incomplete or cannot be read"
    )

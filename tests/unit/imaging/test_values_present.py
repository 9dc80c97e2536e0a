"""Without a usable window an image shows the values that it has, whatever lies beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.imaging.decode import decode
from tests.unit.imaging.tiny_image import look_up_table, tiny_image

SIDE = 128
Image = NDArray[np.int64]


def chest(low: int = 0, high: int = 4095) -> Image:
    """Return a smooth picture from `low` to `high`, with noise."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    smooth = 0.5 - 0.25 * np.cos(6 * x) * np.sin(4 * y) + 0.2 * (y - x)
    smooth += np.random.default_rng(1).normal(0, 0.01, smooth.shape)
    return np.rint(low + (smooth - smooth.min()) / np.ptp(smooth) * (high - low)).astype(np.int64)


def shown(values: Image, bits: int = 12, **attributes: Any) -> NDArray[np.float64]:
    return decode(tiny_image(values, bits, **attributes)).pixels / 65535


CODINGS: dict[str, tuple[Image, int, dict[str, Any]]] = {
    "12 of 12": (chest(), 12, {}),
    "600 to 3000 of 12": (chest(600, 3000), 12, {}),
    "14 in 16": (chest(0, 16383), 16, {}),
    "12 in 16": (chest(), 16, {}),
    "10 in 16": (chest(0, 1023), 16, {}),
    "MONOCHROME1": (4095 - chest(), 16, {"PhotometricInterpretation": "MONOCHROME1"}),
    "signed": (chest() - 2048, 16, {"signed": True}),
    "plus 30000": (chest() + 30000, 16, {}),
    "rescaled": (chest(), 16, {"RescaleSlope": "0.25", "RescaleIntercept": "-1024"}),
    "with falling slope": (4095 - chest(), 16, {"RescaleSlope": "-1"}),
    "by a Modality LUT that promises 16 bits": (
        chest(0, 1023),
        12,
        {"ModalityLUTSequence": [look_up_table(0, 16, list(range(1024)))]},
    ),
    "window that cannot be read": (chest(), 16, {"WindowCenter": "", "WindowWidth": "4096"}),
}


@pytest.mark.parametrize("name", CODINGS)
def test_one_picture_looks_the_same_in_every_coding(name: str) -> None:
    values, bits, attributes = CODINGS[name]
    reference = shown(chest(), WindowCenter=2048, WindowWidth=4096)
    assert np.abs(shown(values, bits, **attributes) - reference).max() < 0.01


def with_marker(values: Image) -> Image:
    values[4:24, 4:30] = 65535
    return values


def with_soft_marker(values: Image) -> Image:
    """Draw a marker whose edges lossy coding or resampling has smeared."""
    for inset, level in enumerate((20000, 45000, 65535)):
        values[4 + inset : 24 - inset, 4 + inset : 30 - inset] = level
    return values


def with_background(values: Image) -> Image:
    values[:, :60] = 65535
    return values


def with_two_backgrounds(values: Image) -> Image:
    values += 20000
    values[:, :40], values[:, -40:] = 0, 65535
    return values


def with_noisy_background(values: Image) -> Image:
    values += 20000
    values[:, :60] = np.random.default_rng(2).integers(0, 60, (SIDE, 60))
    return values


def with_hot_pixels(values: Image) -> Image:
    values[5, 5], values[9, 70] = 65535, 40000
    return values


BESIDE = [
    with_marker,
    with_soft_marker,
    with_background,
    with_two_backgrounds,
    with_noisy_background,
    with_hot_pixels,
]


@pytest.mark.parametrize("beside", BESIDE, ids=lambda beside: beside.__name__)
@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_what_lies_apart_takes_no_contrast_from_the_chest(beside: Any, interpretation: str) -> None:
    seen = shown(beside(chest()), 16, PhotometricInterpretation=interpretation)[30:, 62:86]
    alone = shown(chest(), 16, PhotometricInterpretation=interpretation)[30:, 62:86]
    assert np.ptp(seen) > 0.9 * np.ptp(alone)
    assert np.corrcoef(seen.ravel(), alone.ravel())[0, 1] > 0.99


def test_padding_and_what_a_shutter_hides_do_not_count() -> None:
    alone = shown(chest(1000, 2000)[:, 20:], 16)
    padded = chest(1000, 2000)
    padded[:, :20] = np.arange(20) * 200
    edges = {
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": SIDE,
        "ShutterLeftVerticalEdge": 21,
        "ShutterRightVerticalEdge": SIDE,
    }
    behind = shown(padded, 16, ShutterShape="RECTANGULAR", **edges)
    assert np.abs(behind[:, 20:] - alone).max() < 0.02
    assert not behind[:, :20].any()
    padded[:, :20] = 3900
    without = shown(padded, 16, PixelPaddingValue=3900)
    assert np.abs(without[:, 20:] - alone).max() < 0.02
    assert not without[:, :20].any()


@pytest.mark.parametrize("value", [0, 700, 4095])
def test_a_blank_image_stays_blank(value: int) -> None:
    pixels = shown(np.full((8, 8), value))
    assert np.ptp(pixels) == 0
    assert pixels[0, 0] == pytest.approx(value / 4095, abs=0.001)


@pytest.mark.parametrize("few", [1, 3])
def test_an_image_of_nearly_one_value_shows_the_others(few: int) -> None:
    values = np.full((64, 64), 100)
    values[0, :few] = 900
    assert np.unique(shown(values)).tolist() == [0, 1]


def test_the_step_says_which_values_and_why() -> None:
    image = decode(tiny_image(chest(600, 3000), 16, WindowCenter="40", WindowWidth="0"))
    assert image.steps[1] == (
        "no VOI: values present, 600 to 3000; 1 unusable windows passed over, the first: "
        "window centre 40 width 0 (LINEAR) is not valid"
    )

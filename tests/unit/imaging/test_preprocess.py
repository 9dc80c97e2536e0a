"""One way from grey pixels to the tensor, for training and for inference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from gateway.imaging.decode import decode
from gateway.imaging.margins import inside_margins
from gateway.imaging.preprocess import (
    LEAST_CONTRAST,
    inside_box,
    lay_over,
    over_whole_image,
    preprocess,
    raise_contrast,
    resize,
    to_model_input,
)
from gateway.records import Box
from tests.unit.imaging import whole_image

SAMPLES = [
    path
    for path in sorted((Path(__file__).parents[3] / "sample_dicoms").glob("*.dcm"))
    if path.name != "dx_pa_truncated.dcm"  # undecodable
]


def test_black_and_white_are_minus_one_and_one() -> None:
    pixels = np.zeros((448, 448), np.uint16)
    pixels[224:, :224] = pixels[:224, 224:] = 65535
    tensor = to_model_input(pixels)
    assert (tensor.shape, tensor.dtype) == ((3, 224, 224), np.float32)
    assert np.all(tensor[:, :110, :110] == -1)
    assert tensor[:, 114:, :110] == pytest.approx(1, abs=1e-6)


def test_the_picture_is_squashed_without_letterbox() -> None:
    assert resize(np.full((900, 30), 65535, np.uint16)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (224, 224), (500, 333)])
def test_8_and_16_bits_of_a_picture_give_the_same_tensor(shape: tuple[int, int]) -> None:
    narrow = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    wide = narrow.astype(np.uint16) * 257
    assert np.array_equal(to_model_input(narrow), to_model_input(wide))


def test_a_picture_of_the_models_size_is_not_touched() -> None:
    pixels = np.random.default_rng(2).integers(0, 65536, (224, 224), np.uint16)
    assert np.array_equal(resize(pixels), pixels.astype(np.float32) / np.float32(65535))


def test_resize_averages_instead_of_skipping() -> None:
    chequered = np.indices((896, 896)).sum(axis=0).astype(np.uint16) % 2 * np.uint16(65535)
    assert resize(chequered) == pytest.approx(0.5, abs=0.01)


def test_the_tensor_can_be_written_to() -> None:
    to_model_input(np.zeros((8, 8), np.uint8))[0, 0, 0] = 1.0


def in_margins(pixels: np.ndarray, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    return np.pad(pixels, ((top, bottom), (left, right)))


@pytest.mark.parametrize("margins", [(0, 0, 40, 60), (30, 0, 0, 0), (50, 60, 70, 80)])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_black_margins_are_not_shown_to_the_model(margins: tuple[int, ...], depth: type) -> None:
    chest: NDArray[Any] = np.random.default_rng(3).integers(1, np.iinfo(depth).max, (300, 260)).astype(depth)
    assert np.array_equal(to_model_input(in_margins(chest, *margins)), to_model_input(chest))
    assert preprocess(in_margins(chest, *margins)).steps == ("black margins not shown to the model",)
    assert preprocess(chest).steps == ()


def level_of_3_in_4095(margins: np.ndarray) -> None:
    margins[:] = round(3 / 4095 * 65535)


def noise_of_lossy_coding(margins: np.ndarray) -> None:
    margins[:] = np.random.default_rng(4).integers(0, 1200, margins.shape)


def letters(margins: np.ndarray) -> None:
    margins[:] = 0
    margins[5:15, 100:105] = 65535


@pytest.mark.parametrize("fill", [level_of_3_in_4095, noise_of_lossy_coding, letters])
def test_margins_that_are_nearly_black_are_margins(fill: Callable[[np.ndarray], None]) -> None:
    chest: NDArray[Any] = np.random.default_rng(3).integers(1, 65536, (300, 260)).astype(np.uint16)
    framed = np.zeros((400, 400), np.uint16)
    fill(framed)
    framed[60:360, 80:340] = chest
    assert np.array_equal(to_model_input(framed), to_model_input(chest))


def test_lungs_at_the_edge_are_no_margin() -> None:
    pixels = np.full((300, 300), 20000, np.uint16)
    pixels[:, :30] = 2000
    pixels[:280, :10] = 0
    assert inside_margins(pixels) == (slice(0, 300), slice(0, 300))


@pytest.mark.parametrize(("dark", "bright"), [(0, 0.25), (0, 1 / 16), (0.3, 0.5), (0.9, 1)])
def test_a_faint_picture_gets_contrast(dark: float, bright: float) -> None:
    clear = np.random.default_rng(4).random((224, 224))
    faint = np.rint((dark + clear * (bright - dark)) * 65535).astype(np.uint16)
    shown = to_model_input(faint)[0]
    assert np.ptp(np.percentile(shown, (1, 99))) == pytest.approx(2 * LEAST_CONTRAST, abs=0.01)
    assert -1 <= shown.min() <= shown.max() <= 1
    assert np.corrcoef(shown.ravel(), clear.ravel())[0, 1] > 0.999
    assert preprocess(faint).steps == ("contrast raised for the model",)


@pytest.mark.parametrize("picture", [np.full((64, 64), 9000), np.linspace(9000, 50000, 4096).reshape(64, 64)])
def test_a_clear_picture_and_a_blank_one_stay_as_they_are(picture: np.ndarray) -> None:
    grey = resize(picture.astype(np.uint16))
    assert raise_contrast(grey) is grey


def test_black_within_the_image_is_no_margin() -> None:
    pixels = np.full((300, 300), 9000, np.uint16)
    pixels[100:140] = pixels[:, 20:50] = 0
    assert inside_margins(pixels) == (slice(0, 300), slice(0, 300))


@pytest.mark.parametrize("seen", [0, 60])
def test_an_image_that_is_nearly_all_black_has_no_margins(seen: int) -> None:
    pixels = np.zeros((300, 300), np.uint16)
    pixels[:seen, :seen] = 9000
    assert inside_margins(pixels) == (slice(0, 300), slice(0, 300))


def test_a_map_lies_where_the_model_saw_the_image() -> None:
    activation = np.ones((7, 7), np.float32)
    whole = np.full((400, 200), 40000, np.uint16)
    assert over_whole_image(activation, whole) is activation
    placed = over_whole_image(activation, in_margins(whole, 400, 0, 100, 100))
    assert placed.shape == (56, 56)
    assert np.all(placed[28:, 14:42] == 1)
    assert placed.sum() == 28 * 28


def test_a_map_of_a_part_lies_over_that_part_of_the_whole() -> None:
    activation = np.arange(49, dtype=np.float32).reshape(7, 7) + 1
    laid = lay_over(activation, Box(0.25, 0.5, 0.75, 1))
    assert laid.shape == (28, 28)
    assert laid.dtype == np.float32
    assert (laid[:14] == 0).all()
    assert (laid[:, :7] == 0).all()
    assert (laid[:, 21:] == 0).all()
    assert laid[14:, 7:21].mean() == pytest.approx(25, abs=0.01)
    assert laid[14, 7] == pytest.approx(activation[0, 0], abs=0.01)
    assert laid[20, 13] == pytest.approx(activation[3, 3], abs=2.1)
    assert (np.diff(laid[14:, 7:21], axis=0) >= 0).all()
    assert lay_over(activation, Box(0, 0, 1, 1)).mean() == pytest.approx(25, abs=0.01)


def test_the_models_input_is_a_part_of_an_image_with_black_margins() -> None:
    whole = np.full((400, 200), 40000, np.uint16)
    assert inside_box(whole) == (0, 0, 1, 1)
    assert inside_box(in_margins(whole, 400, 0, 100, 100)) == (0.25, 0.5, 0.75, 1)


def as_before(pixels: NDArray[np.uint16] | NDArray[np.uint8]) -> bool:
    """Tell whether margins and tensor are the reference's, the tensor within a hundredth of 1/255."""
    difference = np.abs(to_model_input(pixels) - whole_image.tensor(pixels)).max()
    return inside_margins(pixels) == whole_image.margins(pixels) and bool(difference < 2 / 255 / 100)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_gives_the_tensor_with_which_the_model_was_measured(path: Path) -> None:
    pixels = decode(dcmread(path)).pixels
    assert as_before(pixels)
    assert as_before((pixels >> 8).astype(np.uint8))


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    margins=st.tuples(*[st.integers(0, 200)] * 4),
    highest=st.integers(16, 65535),
    depth=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_picture_gives_the_tensor_with_which_the_model_was_measured(
    shape: tuple[int, int], margins: tuple[int, int, int, int], highest: int, depth: type, seed: int
) -> None:
    limit = min(highest, np.iinfo(depth).max)
    chance = np.random.default_rng(seed)
    coarse: NDArray[Any] = chance.integers(0, limit, (9, 9), endpoint=True).astype(depth)
    picture = np.asarray(Image.fromarray(coarse).resize(shape, Image.Resampling.NEAREST))
    noisy: NDArray[Any] = np.where(chance.random(picture.shape) < 0.1, limit, picture).astype(depth)
    assert as_before(in_margins(noisy, *margins))

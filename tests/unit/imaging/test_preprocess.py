"""One way from grey pixels to the tensor, for training and for inference."""

import numpy as np
import pytest

from gateway.imaging.preprocess import resize, to_model_input


def test_black_and_white_are_minus_one_and_one() -> None:
    pixels = np.zeros((448, 300), np.uint16)
    pixels[224:] = 65535
    tensor = to_model_input(pixels)
    assert (tensor.shape, tensor.dtype) == ((3, 224, 224), np.float32)
    assert np.all(tensor[:, :110] == -1)
    assert np.all(tensor[:, 114:] == 1)


def test_the_picture_is_squashed_without_letterbox() -> None:
    assert np.all(resize(np.full((900, 30), 65535, np.uint16)) == 1)


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

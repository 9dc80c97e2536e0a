from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from gateway.training.augmentation import Augmenter
from gateway.training.evaluation.appearance import match_tones
from gateway.training.evaluation.shifts import SHIFTS
from gateway.training.negatives import NEGATIVES, make_negatives
from gateway.training.recipe import Recipe, read_recipe
from gateway.training.recipe.stages import Augmentation

CONFIG = Path(__file__).parents[3] / "config" / "train.yaml"
NOTHING = Augmentation(rotation=0, zoom=(1, 1), aspect=0, shift=0, flip=0)


@pytest.fixture
def stored() -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(224), torch.arange(224), indexing="ij")
    image = (rows * 0.4 + columns * 0.7).to(torch.uint8)
    return torch.stack([image, image.flip(0), image.flip(1), 255 - image])


def views(ranges: Augmentation, stored: Tensor, seed: int = 0, size: int = 96) -> Tensor:
    return Augmenter(ranges, size, Generator().manual_seed(seed))(stored)


def test_no_change_is_the_image_itself(stored: Tensor) -> None:
    expected = stored[:, None].float() / 127.5 - 1
    torch.testing.assert_close(views(NOTHING, stored, size=224), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["box", "student"])
def test_views_of_the_recipe_are_images(stored: Tensor, name: str) -> None:
    recipe = read_recipe(CONFIG)
    assert isinstance(recipe, Recipe)
    ranges = recipe.augmentations[name]
    first, again, other = (views(ranges, stored, seed) for seed in (1, 1, 2))
    assert first.shape == (4, 1, 96, 96)
    assert first.abs().max() <= 1
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, other)


def test_a_flip_mirrors_left_and_right(stored: Tensor) -> None:
    mirrored = views(NOTHING.model_copy(update={"flip": 1.0}), stored, size=224)
    expected = stored[:, None].flip(3).float() / 127.5 - 1
    torch.testing.assert_close(mirrored, expected, rtol=0, atol=1e-3)


def test_mixup_mixes_images_and_targets_alike() -> None:
    augment = Augmenter(NOTHING.model_copy(update={"mixup": 1.0}), 8, Generator().manual_seed(0))
    targets = torch.tensor([0.0, 0.0, 1.0, 1.0])
    constant = targets[:, None, None, None].expand(4, 1, 8, 8)
    mixed, mixed_targets = augment.mix(constant, targets)
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), mixed_targets)
    assert not torch.equal(mixed_targets, targets)


def test_images_of_one_class_are_blended_and_their_class_stays() -> None:
    augment = Augmenter(NOTHING.model_copy(update={"within": 2.0}), 8, Generator().manual_seed(0))
    labels = torch.tensor([0.0, 1.0] * 8)
    views = torch.arange(16.0)[:, None, None, None].expand(16, 1, 8, 8)
    blended, targets = augment.mix(views, torch.stack([labels, torch.ones(16)], dim=1))
    torch.testing.assert_close(targets, torch.stack([labels, torch.ones(16)], dim=1))
    assert 0 < sum(not torch.equal(*pair) for pair in zip(blended, views, strict=True)) < 16


def test_a_look_beyond_the_others_keeps_the_order_of_grey_values(stored: Tensor) -> None:
    images = stored[:, None].float() / 255
    own, other, far = (match_tones(images, images.flip(0), share) for share in (0.0, 1.0, 1.5))
    assert (far - own).abs().mean() > (other - own).abs().mean()
    for before, after in zip(images.flatten(1), far.flatten(1), strict=True):
        assert (after[before.argsort()].diff() >= -1e-5).all()


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts_keep_images_images(stored: Tensor, name: str) -> None:
    shifted = SHIFTS[name](stored[:, None].float() / 255)
    assert shifted.shape == (4, 1, 224, 224)
    assert shifted.min() >= 0
    assert shifted.max() <= 1 + 1e-5


@pytest.mark.parametrize("kind", NEGATIVES)
def test_a_negative_is_made_and_is_not_what_it_was_made_of(stored: Tensor, kind: str) -> None:
    made = make_negatives(stored.numpy(), kind, np.random.default_rng(0))
    assert made.shape == (4, 224, 224)
    assert made.dtype == np.uint8
    assert not any(
        np.array_equal(negative, chest) for negative, chest in zip(made, stored.numpy(), strict=True)
    )

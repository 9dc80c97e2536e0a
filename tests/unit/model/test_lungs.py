"""A mask becomes a box, a hull and outlines, or the reason why the whole image is seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.model.lungs import crop, find_lungs, inside, lung_input, show
from gateway.records import Box, Lungs, Region, WholeImage
from tests.support.lungs import BOTH, LEFT, RIGHT, chest, model_input, probabilities

PIXEL = 1 / 112


def lungs_of(region: Region) -> Lungs:
    assert isinstance(region, Lungs), region
    return region


def doubt_of(*lungs: Box) -> str:
    region = find_lungs(probabilities(*lungs))
    assert isinstance(region, WholeImage)
    assert not region.empty
    return region.reason


def test_the_box_lies_around_both_lungs_with_its_margin() -> None:
    found = lungs_of(find_lungs(probabilities(LEFT, RIGHT), margin=0.1))
    expected = (BOTH.left - 0.07, BOTH.top - 0.06, BOTH.right + 0.07, BOTH.bottom + 0.06)
    assert found.box == pytest.approx(expected, abs=PIXEL)
    area = 2 * np.pi / 4 * 0.27 * 0.6
    assert found.coverage == pytest.approx(area, rel=0.02)


def test_the_box_ends_at_the_border_of_the_image() -> None:
    found = lungs_of(find_lungs(probabilities(Box(0, 0, 0.4, 1), Box(0.6, 0, 1, 1))))
    assert found.box == (0, 0, 1, 1)


def test_the_hull_holds_both_lungs_and_spans_the_box() -> None:
    found = lungs_of(find_lungs(probabilities(LEFT, RIGHT)))
    hull = inside(found.hull, 112)
    assert hull[probabilities(LEFT, RIGHT) > 0].all()
    assert hull[56, 56]  # between the lungs
    assert not hull[0, 0]
    x, y = zip(*found.hull, strict=True)
    assert found.box == (min(x), min(y), max(x), max(y))


def test_each_lung_has_its_outline() -> None:
    left, right = lungs_of(find_lungs(probabilities(LEFT, RIGHT))).outlines
    drawn = inside(left, 112) | inside(right, 112)
    differing = (drawn != (probabilities(LEFT, RIGHT) > 0)).mean()
    assert differing < 0.02
    assert max(x for x, _ in left) < 0.5 < min(x for x, _ in right)


def test_a_small_change_of_the_probabilities_moves_the_box_little() -> None:
    smooth = probabilities(LEFT, RIGHT)
    for axis in (0, 1):
        smooth = (np.roll(smooth, 1, axis) + smooth + np.roll(smooth, -1, axis)) / 3
    smooth = smooth.astype(np.float32)
    boxes = [lungs_of(find_lungs(smooth + np.float32(change))).box for change in np.linspace(-0.02, 0.02, 41)]
    steps = np.abs(np.diff(np.array(boxes), axis=0))
    assert steps.max() < PIXEL / 20


def test_lungs_that_touch_are_two_lungs() -> None:
    bridge = Box(0.3, 0.45, 0.7, 0.55)
    found = lungs_of(find_lungs(probabilities(LEFT, RIGHT, bridge)))
    assert found.box == pytest.approx(lungs_of(find_lungs(probabilities(LEFT, RIGHT))).box, abs=PIXEL)


def test_specks_beside_the_lungs_do_not_count() -> None:
    speck = Box(0.9, 0.9, 0.96, 0.96)
    assert find_lungs(probabilities(LEFT, RIGHT, speck)) == find_lungs(probabilities(LEFT, RIGHT))


@pytest.mark.parametrize("mask", [np.zeros((112, 112)), probabilities(Box(0.5, 0.5, 0.55, 0.55))])
def test_an_image_without_lungs_is_told(mask: NDArray[np.float32]) -> None:
    region = find_lungs(mask.astype(np.float32))
    assert region == WholeImage("no lungs were found in the image", empty=True)
    assert region.outcome == "no_lungs"


def test_a_mask_that_is_no_number_is_told() -> None:
    mask = probabilities(LEFT, RIGHT)
    mask[3, 3] = np.nan
    assert find_lungs(mask) == WholeImage("the output of the lung network is not a number", empty=True)


@pytest.mark.parametrize(
    ("lungs", "reason"),
    [
        pytest.param((LEFT,), "on one side alone", id="one lung"),
        pytest.param((LEFT, Box(0.6, 0.45, 0.68, 0.55)), "on one side alone", id="hardly a second lung"),
        pytest.param(
            (Box(0.2, 0.15, 0.8, 0.42), Box(0.2, 0.58, 0.8, 0.85)), "side by side", id="on its side"
        ),
        pytest.param((Box(0.1, 0.05, 0.4, 0.45), Box(0.6, 0.55, 0.9, 0.95)), "side by side", id="apart"),
        pytest.param(
            (Box(0.2, 0.2, 0.35, 0.4), Box(0.6, 0.2, 0.75, 0.4)), "cover 5 % of the image", id="small"
        ),
        pytest.param((Box(-0.3, -0.3, 0.6, 1.3), Box(0.4, -0.3, 1.3, 1.3)), "cover 100 % of", id="all"),
    ],
)
def test_a_mask_that_does_not_look_like_two_lungs_crops_nothing(lungs: tuple[Box, ...], reason: str) -> None:
    assert reason in doubt_of(*lungs)


def test_a_ragged_mask_crops_nothing() -> None:
    comb = np.zeros((112, 112), np.float32)
    for first in (20, 66):
        comb[20:90, first : first + 3] = 1
        comb[20:90:7, first : first + 26] = 1
    region = find_lungs(comb)
    assert region == WholeImage("the lungs found have a ragged shape")


def test_a_crop_is_pytorchs() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (224, 224)).astype(np.float32)
    box = Box(0.083, 0.121, 0.938, 0.876)
    edges = ((box.left, box.right), (box.top, box.bottom))
    axes = [torch.linspace(2 * first - 1, 2 * last - 1, 449)[1::2] for first, last in edges]
    grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), dim=-1)[None]
    theirs = torch.nn.functional.grid_sample(
        torch.from_numpy(image)[None, None], grid, "bilinear", "border", align_corners=False
    )
    np.testing.assert_allclose(crop(image, box), theirs[0, 0].numpy(), atol=1 / 255)
    grey = np.rint((image + 1) * 127.5).astype(np.uint8)
    np.testing.assert_allclose(crop(grey, box) / 127.5 - 1, crop(image, box), atol=2 / 127.5)


def test_a_crop_to_the_whole_image_is_the_image() -> None:
    image = chest(LEFT, RIGHT)
    np.testing.assert_array_equal(crop(image, Box(0, 0, 1, 1)), image)


def test_the_classifier_sees_the_lungs_in_all_channels() -> None:
    images = model_input(chest(LEFT, RIGHT), chest())
    lungs = find_lungs(probabilities(LEFT, RIGHT))
    nothing = WholeImage("no lungs were found in the image", empty=True)
    seen = show(images, [lungs, nothing])
    np.testing.assert_array_equal(seen.images[0], np.stack([crop(images[0, 0], lungs_of(lungs).box)] * 3))
    np.testing.assert_array_equal(seen.images[1], images[1])
    assert seen.regions == (lungs, nothing)


def test_all_outside_of_the_hull_is_black() -> None:
    images = model_input(chest(LEFT, RIGHT))
    hulled = show(images, [find_lungs(probabilities(LEFT, RIGHT))], "hull").images[0, 0]
    assert hulled[0, 0] == -1
    assert hulled[112, 112] > 0


def test_the_lung_network_gets_means_of_four_pixels() -> None:
    image = np.arange(224 * 224, dtype=np.float32).reshape(224, 224)
    small = lung_input(model_input(image))
    assert small.shape == (1, 1, 112, 112)
    assert small.dtype == np.float32
    assert small[0, 0, 1, 2] == image[2:4, 4:6].mean()


def test_lungs_of_a_part_of_an_image_are_lungs_of_the_image() -> None:
    part = Box(0.5, 0, 1, 0.5)
    found = lungs_of(find_lungs(probabilities(LEFT, RIGHT)))
    moved = found.within(part)
    left, top, right, bottom = found.box
    assert moved.box == pytest.approx((0.5 + left / 2, top / 2, 0.5 + right / 2, bottom / 2))
    assert moved.coverage == pytest.approx(found.coverage / 4)
    assert moved.outlines[0][0] == pytest.approx(part.place(*found.outlines[0][0]))


@settings(max_examples=60)
@given(cells=st.integers(2, 112), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_whatever_the_mask_there_is_a_box_in_the_image_or_a_reason(
    cells: int, share: float, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    coarse = (chance.random((cells, cells)) < share).astype(np.float32) * chance.random((cells, cells))
    place = np.arange(112) * cells // 112
    region = find_lungs(coarse[place][:, place].astype(np.float32))
    if isinstance(region, WholeImage):
        assert region.reason
    else:
        left, top, right, bottom = region.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert all(0 <= each <= 1 for outline in region.outlines for point in outline for each in point)

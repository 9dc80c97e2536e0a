from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from gateway.training.evaluation.appearance import match_spectrum, match_tones
from gateway.training.validation import other_class

Match = Callable[..., Tensor]


@pytest.fixture
def soft_and_sharp() -> tuple[Tensor, Tensor]:
    """Two pictures of clouds, the second with four times the detail and twice the contrast."""
    generator = Generator().manual_seed(0)
    coarse, fine = (torch.rand((1, 1, side, side), generator=generator) for side in (12, 48))
    soft, sharp = (interpolate(x, size=(96, 96), mode="bicubic") for x in (coarse, fine))
    return (soft * 0.5 + 0.2).clamp(0, 1), sharp.clamp(0, 1)


def detail(x: Tensor) -> float:
    return float((x[..., 1:] - x[..., :-1]).square().mean())


@pytest.mark.parametrize("match", [match_spectrum, match_tones])
def test_nothing_changes_by_matching_itself_or_not_at_all(
    match: Match, soft_and_sharp: tuple[Tensor, Tensor]
) -> None:
    soft, sharp = soft_and_sharp
    for unchanged in (match(soft, soft), match(soft, sharp, 0.0)):
        assert (unchanged - soft).abs().mean() < 0.002


def test_the_spectrum_comes_from_the_other_and_the_mean_brightness_stays(
    soft_and_sharp: tuple[Tensor, Tensor],
) -> None:
    soft, sharp = soft_and_sharp
    sharpened, halfway = match_spectrum(soft, sharp), match_spectrum(soft, sharp, 0.5)
    assert detail(soft) < detail(halfway) < detail(sharpened)
    assert detail(match_spectrum(sharp, soft)) < detail(sharp) / 2
    assert float(sharpened.mean()) == pytest.approx(float(soft.mean()), abs=0.02)


def test_the_tones_come_from_the_other_and_what_is_brighter_stays_brighter(
    soft_and_sharp: tuple[Tensor, Tensor],
) -> None:
    soft, sharp = soft_and_sharp
    toned = match_tones(soft, sharp)
    quantiles = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(toned.quantile(quantiles), sharp.quantile(quantiles), rtol=0, atol=0.05)
    order = soft.flatten().argsort()
    assert (toned.flatten()[order].diff() >= -1e-6).all()


def test_each_image_goes_its_own_share_of_the_way(soft_and_sharp: tuple[Tensor, Tensor]) -> None:
    soft, sharp = soft_and_sharp
    shares = torch.tensor([[0.0], [1.0]])
    both = match_tones(soft.expand(2, -1, -1, -1), sharp.expand(2, -1, -1, -1), shares)
    torch.testing.assert_close(both[:1], match_tones(soft, sharp, 0.0))
    torch.testing.assert_close(both[1:], match_tones(soft, sharp))


def test_a_look_is_borrowed_from_the_other_class_of_the_same_source() -> None:
    sources = np.array(["a", "a", "a", "b", "b", "c"])
    labels = np.array([0, 1, 1, 0, 1, 0])
    partners = other_class(sources, labels)
    assert (sources[partners] == sources).all()
    assert (labels[partners[:5]] != labels[:5]).all()
    assert partners[5] == 5  # source c has no other class

"""Gives one image the look of another: the same anatomy from another detector, exposure and processing.

`augmentation` and `validation` call it.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

RINGS = 24  # rings of the spectrum, spaced by octaves
GAIN = 3.0  # largest factor of a ring
KNOTS = (0.0, 0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.99, 1.0)  # quantiles on a tone curve
STRAIGHT = 0.1  # linear share of each tone curve: limits the contrast of flat areas


def match_spectrum(images: Tensor, others: Tensor, share: Tensor | float = 1.0) -> Tensor:
    """Return images with the power of others at each spatial frequency; phases, the positions, stay.

    Parameters
    ----------
    images, others
        float (n, 1, side, side), 0–1.
    share
        Strength, for all images or each, (n, 1): 0 is an image's own look, 1 the other's; less and more go
        beyond either.

    Returns
    -------
    float (n, 1, side, side), 0–1.
    """
    with torch.autocast(images.device.type, enabled=False):
        rings = _rings(images.shape[-1], images.device)
        spectrum = torch.fft.rfft2(images.float())
        own, wanted = (_power(s, rings) for s in (spectrum, torch.fft.rfft2(others.float())))
        change = 0.5 * share * (wanted - own)
        limit = math.log(GAIN)
        gain = (change.clamp(-limit, limit) @ rings.T).exp().view(spectrum.shape)
        gain[..., 0, 0] = 1  # the mean brightness
        changed: Tensor = torch.fft.irfft2(spectrum * gain, s=images.shape[-2:])
        return changed.clamp(0, 1)


def match_tones(images: Tensor, others: Tensor, share: Tensor | float = 1.0) -> Tensor:
    """Return images with the grey values of others by one rising curve each, like another window.

    Parameters and result are as for `match_spectrum`.
    """
    own = _quantiles(images)
    wanted = (own + share * (_quantiles(others) - own)).cummax(dim=1).values
    own[:, 0], own[:, -1] = -1e-3, 1 + 1e-3
    values = images.flatten(1).contiguous()
    right = torch.searchsorted(own, values).clamp(1, len(KNOTS) - 1)
    from_left, from_right = own.gather(1, right - 1), own.gather(1, right)
    to_left, to_right = wanted.gather(1, right - 1), wanted.gather(1, right)
    place = (values - from_left) / (from_right - from_left)
    return (to_left + place * (to_right - to_left)).clamp(0, 1).view_as(images)


def _power(spectrum: Tensor, rings: Tensor) -> Tensor:
    """Return the logarithm of the mean power in each ring, (n, RINGS)."""
    return (spectrum.abs().square().flatten(1) @ (rings / rings.sum(dim=0)) + 1e-9).log()


@cache
def _rings(side: int, device: torch.device) -> Tensor:
    """Return the weight of each coefficient of `rfft2` in each ring, (side · (side // 2 + 1), RINGS)."""
    rows = torch.fft.fftfreq(side, device=device)[:, None]
    columns = torch.fft.rfftfreq(side, device=device)[None]
    octaves = (torch.hypot(rows, columns) * side).clamp(min=1).log2().flatten()
    place = octaves / octaves.max() * (RINGS - 1)
    return (1 - (place[:, None] - torch.arange(RINGS, device=device)).abs()).clamp(min=0)


def _quantiles(images: Tensor) -> Tensor:
    """Return the grey values at `KNOTS` of a sixteenth of each image's pixels, rising, (n, knots)."""
    values = images[:, 0, 2::4, 2::4].float().flatten(1).sort(dim=1).values
    knots = torch.tensor(KNOTS, device=images.device)
    found = values[:, (knots * (values.shape[1] - 1)).round().long()]
    return (1 - STRAIGHT) * found + STRAIGHT * knots

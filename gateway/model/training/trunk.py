"""The network as training sees it: pooled features, with feature statistics mixed between images."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Generator, Tensor, nn


class Styles(NamedTuple):
    """For each image, whose feature statistics it takes, int64 (n,), and how much of them, 0–1 (n,)."""

    partner: Tensor
    share: Tensor


def draw_styles(n: int, probability: float, generator: Generator) -> Styles:
    """Draw partners and shares for MixStyle (Zhou et al. 2021), beta distribution with parameter 0.1."""
    device = generator.device
    partner = torch.randperm(n, generator=generator, device=device)
    chosen = torch.rand(n, generator=generator, device=device) < probability
    # beta(0.1, 0.1) is nearly a coin: this power of a uniform draw is as close to it as matters
    coin = torch.rand(n, generator=generator, device=device)
    side = (torch.rand(n, generator=generator, device=device) < 0.5).float()
    share = (side - coin**10 * 0.5).abs()
    return Styles(partner, share * chosen)


def features(network: nn.Module, images: Tensor, styles: Styles | None = None) -> Tensor:
    """Return the pooled features, (n, 2048), of `images`, (n, 1 or 3, rows, columns)."""
    net = cast(Any, network)
    x = images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    x = net.layer1(x)
    if styles is not None:
        x = _mix(x, styles)
    x = net.layer2(x)
    if styles is not None:
        x = _mix(x, styles)
    return cast(Tensor, net.layer4(net.layer3(x)).mean(dim=(2, 3)))


def _mix(x: Tensor, styles: Styles) -> Tensor:
    spread, mean = torch.std_mean(x.detach().float(), dim=(2, 3), keepdim=True)
    spread = spread + 1e-4
    share = styles.share[:, None, None, None]
    mixed_mean = mean + share * (mean[styles.partner] - mean)
    mixed_spread = spread + share * (spread[styles.partner] - spread)
    return ((x - mean) / spread * mixed_spread + mixed_mean).to(x.dtype)

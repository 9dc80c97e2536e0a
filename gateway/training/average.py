"""One network out of several that started from the same weights: the mean of their weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from gateway.training.objectives import Features


def mean_of(networks: Sequence[nn.Module]) -> nn.Module:
    """Return a network whose weights are the means of those of `networks` (Wortsman et al. 2022).

    What its normalisations remember of the images no longer fits: `renormalise` has to follow.
    """
    mean = copy.deepcopy(networks[0])
    others = [network.state_dict() for network in networks]
    for name, tensor in mean.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.stack([other[name] for other in others]).mean(dim=0))
    return mean


@torch.no_grad()
def renormalise(network: nn.Module, views: Iterable[Tensor], features: Features) -> None:
    """Estimate means and variances of all batch normalisations anew, over batches of training views."""
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in normalisations:
        module.reset_running_stats()
        module.momentum = None  # all batches weigh the same
    network.train()
    for batch in views:
        features(network, batch)
    network.eval()

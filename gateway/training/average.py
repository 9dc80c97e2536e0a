"""Averages the weights of networks with the same start (model soup). `train` calls it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from gateway.training.objectives import Features


def mean_of(networks: Sequence[nn.Module]) -> nn.Module:
    """Return a network with the mean weights of `networks` (Wortsman et al. 2022).

    The running statistics of its normalisations are invalid until `renormalise`.
    """
    mean = copy.deepcopy(networks[0])
    others = [network.state_dict() for network in networks]
    for name, tensor in mean.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.stack([other[name] for other in others]).mean(dim=0))
    return mean


@torch.no_grad()
def renormalise(network: nn.Module, views: Iterable[Tensor], features: Features) -> None:
    """Estimate the running statistics of all batch normalisations anew from batches of training views."""
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in normalisations:
        module.reset_running_stats()
        module.momentum = None  # all batches weigh the same
    network.train()
    for batch in views:
        features(network, batch)
    network.eval()

import copy

import torch
from torch import nn

from gateway.training.average import mean_of, renormalise
from gateway.training.trunk import features


def test_the_mean_of_two_networks_lies_between_them(network: nn.Module) -> None:
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    mean = mean_of([network, other])
    for name, tensor in mean.named_parameters():
        torch.testing.assert_close(tensor, network.get_parameter(name) + 0.5)
    torch.testing.assert_close(network.get_parameter("conv1.weight") + 1, other.get_parameter("conv1.weight"))


def test_normalisations_are_estimated_on_what_is_seen(network: nn.Module) -> None:
    own = copy.deepcopy(network)
    views = torch.rand(6, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    renormalise(own, torch.split(views, 3), features)
    first = own.conv1(views.expand(-1, 3, -1, -1))
    torch.testing.assert_close(own.bn1.running_mean, first.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-4)
    assert not own.training
    assert not torch.allclose(own.bn1.running_mean, network.bn1.running_mean)

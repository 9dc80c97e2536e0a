"""Pooled features of the network: the part of the forward pass that training compiles."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from gateway.training.lite import Lite
from gateway.training.vit import Vit


def features(network: nn.Module, images: Tensor) -> Tensor:
    """Return the pooled features, (n, 2048) of a ResNet-50.

    `images` are float (n, 1 or 3, rows, columns), -1 to 1.
    """
    net = cast(Any, network)
    x = images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    if isinstance(network, Lite | Vit):
        return network.pooled(x)
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    return cast(Tensor, net.layer4(net.layer3(net.layer2(net.layer1(x)))).mean(dim=(2, 3)))

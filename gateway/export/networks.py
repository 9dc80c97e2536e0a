"""The networks as PyTorch modules with the outputs of `remote.contract`, for ONNX and TorchScript."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from gateway.model.lung_network import LungNetwork
from gateway.model.network import build_network, fold_batch_norm, load_into
from gateway.model.resnet50 import BANDS, STAGES
from gateway.model.weights import State


class Classifier(nn.Module):
    """ResNet-50: images, float32 (n, 3, 224, 224), to activation (n, 7, 7) and description (n, D).

    The bands of the description are products with a constant matrix, since no format has PyTorch's adaptive
    pooling of sides that bands do not divide.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        network = build_network()
        load_into(network, state)
        self.network = fold_batch_norm(network)
        weight = cast(Any, self.network).fc.weight.detach()
        self.register_buffer("difference", (weight[1] - weight[0])[None, :, None, None].clone())
        for name, side in _described():
            self.register_buffer(f"bands_{name}", torch.from_numpy(bands_of(side)))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return activation and description."""
        net = cast(Any, self.network)
        x = net.maxpool(net.relu(net.bn1(net.conv1(image))))
        described = []
        for name, stage in STAGES.items():
            x = getattr(net, name)(x)
            if stage.described:
                bands = getattr(self, f"bands_{name}")
                described += [torch.matmul(x.mean(dim=across), bands).flatten(1) for across in (3, 2)]
        activation = (x * self.difference).sum(dim=1)
        return activation, torch.cat(described, dim=1)


class Lungs(nn.Module):
    """The lung network: images, float32 (n, 1, 112, 112), to the probability of lung (n, 112, 112)."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.network = LungNetwork()
        load_into(self.network, state)
        self.network.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability of lung."""
        return cast(Tensor, self.network(image)).sigmoid().squeeze(1)


def bands_of(side: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return the matrix (side, `BANDS`) by which a side is averaged to bands, as adaptive pooling does."""
    matrix = np.zeros((side, BANDS), np.float32)
    for band in range(BANDS):
        first, end = band * side // BANDS, -(-(band + 1) * side // BANDS)
        matrix[first:end, band] = 1 / (end - first)
    return matrix


def _described() -> list[tuple[str, int]]:
    side, found = 56, []  # after the stem and its pooling
    for name, stage in STAGES.items():
        side //= stage.stride
        if stage.described:
            found.append((name, side))
    return found

"""The lung network in PyTorch. The torch engine and training call it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, relu

from gateway.model.lung_unet import DOWN, LAST, UP, Block


class LungNetwork(nn.Module):
    """A U-Net that marks the lungs; `lung_unet` names its layers."""

    def __init__(self) -> None:
        super().__init__()
        for name, block in (DOWN | UP).items():
            self.add_module(name, _Convolutions(block))
        self.add_module(LAST, nn.Conv2d(UP["up1"].channels_out, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the log-odds of lung of each pixel.

        `images` and result are float (n, 1, side, side); -1 to 1; side a multiple of 16, trained at 112.
        """
        outputs: dict[str, Tensor] = {}
        x = images
        for name in DOWN:
            x = outputs[name] = self._run(name, max_pool2d(x, 2) if outputs else x)
        for name, block in UP.items():
            doubled = interpolate(x, scale_factor=2.0, mode="nearest")
            x = self._run(name, torch.cat([doubled, outputs[cast(str, block.beside)]], dim=1))
        return self._run(LAST, x)

    def _run(self, name: str, x: Tensor) -> Tensor:
        return cast(Tensor, self.get_submodule(name)(x))


class _Convolutions(nn.Module):
    """Two convolutions, each with batch normalisation and ReLU."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(block.channels_in, block.channels_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(block.channels_out)
        self.conv2 = nn.Conv2d(block.channels_out, block.channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(block.channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))))

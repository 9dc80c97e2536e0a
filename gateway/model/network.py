"""The classifier: torchvision's ResNet-50 with two outputs, and its class activation map."""

from __future__ import annotations

import importlib.util
import sys
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn


class Output(NamedTuple):
    """What one forward pass yields for n images.

    Attributes
    ----------
    logits
        float32, shape (n, 2): Normal, Pneumonia.
    activation
        float32, shape (n, 7, 7): the difference of the two class activation maps
        (Zhou et al. 2016), so that its mean plus the biases' difference is the log-odds of pneumonia.
    """

    logits: Tensor
    activation: Tensor


def build_network() -> nn.Module:
    """Return an untrained `torchvision.models.resnet50` with two outputs (Normal, Pneumonia)."""
    _declare_torchvision_operators()
    from torchvision.models import resnet50

    return cast(nn.Module, resnet50(weights=None, num_classes=2))


def forward(network: nn.Module, images: Tensor) -> Output:
    """Classify `images`, float (n, 3, 224, 224); the map costs nothing beside the logits."""
    x = images
    for name, stage in network.named_children():
        if name == "avgpool":
            break
        x = stage(x)
    head = cast(nn.Linear, network.fc)
    logits = head(x.mean(dim=(2, 3)))
    activation = torch.einsum("nchw,c->nhw", x, head.weight[1] - head.weight[0])
    return Output(logits.float(), activation.float())


def _declare_torchvision_operators() -> None:
    """Let torchvision import where its compiled operators do not load (PyPI's wheel beside a CPU torch)."""
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define(
            "qnms(Tensor dets, Tensor scores, float order_dets, float order_scores, int nms) -> Tensor"
        )
        _DECLARATIONS.append(library)


_DECLARATIONS: list[torch.library.Library] = []  # a library that is collected takes its operators along

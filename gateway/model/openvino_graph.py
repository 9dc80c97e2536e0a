"""Builds the classifier as an OpenVINO graph from its weights. `openvino_engine` calls it.

No file of another format and no PyTorch is needed, so that the weights file and its SHA-256 remain the only
form of the network.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from gateway.model.openvino_layers import LayerWeights, constant, convolution, geometry
from gateway.model.resnet50 import BANDS, STAGES, StageOfBlocks
from gateway.model.weights import State

SIDE = 224

Floats = NDArray[np.float32]


def build_graph(state: State) -> ov.Model:
    """Return the graph: images, float32 (n, 3, 224, 224), to activation map and description.

    The outputs are float32 (n, 7, 7), the class activation map of the log-odds, and
    (n, `DESCRIPTION`); `engines.log_odds_of` turns the first into log-odds.
    """
    weights = LayerWeights(state)
    images = ops.parameter([-1, 3, SIDE, SIDE], np.float32, name="images")
    x = _stem(images, weights)
    described = []
    for name, stage in STAGES.items():
        x = _stage(x, name, stage, weights)
        if stage.described:
            described += _bands(x)
    activation = ops.squeeze(ops.convolution(x, _difference(weights), *geometry(1, 0)), [1])
    return ov.Model([activation, ops.concat(described, 1)], [images], "ResNet-50")


def _stem(images: ov.Node, weights: LayerWeights) -> ov.Node:
    x = ops.relu(convolution(images, *weights.folded("conv1", "bn1"), stride=2, padding=3))
    pooled = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3])
    return pooled.output(0)


def _stage(x: ov.Node, name: str, stage: StageOfBlocks, weights: LayerWeights) -> ov.Node:
    for number in range(stage.blocks):
        x = _block(x, f"{name}.{number}", weights, stride=1 if number else stage.stride, widens=not number)
    return x


def _block(x: ov.Node, name: str, weights: LayerWeights, *, stride: int, widens: bool) -> ov.Node:
    shortcut = x
    if widens:
        folded = weights.folded(f"{name}.downsample.0", f"{name}.downsample.1")
        shortcut = convolution(x, *folded, stride=stride)
    y = ops.relu(convolution(x, *weights.folded(f"{name}.conv1", f"{name}.bn1")))
    y = ops.relu(convolution(y, *weights.folded(f"{name}.conv2", f"{name}.bn2"), stride=stride, padding=1))
    y = convolution(y, *weights.folded(f"{name}.conv3", f"{name}.bn3"))
    return ops.relu(ops.add(y, shortcut))


def _bands(x: ov.Node) -> list[ov.Node]:
    """Return a stage averaged to `BANDS` rows, and to as many columns, both flat.

    Each line is averaged first: the adaptive pooling of a whole stage is not vectorised.
    """
    side = x.output(0).partial_shape[2].get_length()
    return [
        _flat(ops.adaptive_avg_pool(_averaged(x, line), bands))
        for line, bands in (([1, side], [BANDS, 1]), ([side, 1], [1, BANDS]))
    ]


def _averaged(x: ov.Node, window: list[int]) -> ov.Node:
    return ops.avg_pool(x, window, [0, 0], [0, 0], window, exclude_pad=False)


def _difference(weights: LayerWeights) -> ov.Node:
    """Return the kernel (1, channels, 1, 1) whose output is the class activation map."""
    negative, positive = weights.array("fc.weight")
    return constant((positive - negative)[None, :, None, None])


def _flat(x: ov.Node) -> ov.Node:
    return ops.reshape(x, [0, -1], special_zero=True)

"""Builds the lung network as an OpenVINO graph from its weights. `openvino_engine` calls it."""

from __future__ import annotations

from typing import cast

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from gateway.model.lung_unet import DOWN, LAST, SIDE, UP
from gateway.model.openvino_layers import LayerWeights, constant, convolution
from gateway.model.weights import State


def build_lung_graph(state: State) -> ov.Model:
    """Return the graph: images, float32 (n, 1, 112, 112), to the probability that a pixel shows lung.

    The output is float32 (n, 112, 112), 0-1.
    """
    weights = LayerWeights(state)
    images = ops.parameter([-1, 1, SIDE, SIDE], np.float32, name="images")
    outputs: dict[str, ov.Node] = {}
    x: ov.Node = images
    for name in DOWN:
        x = outputs[name] = _block(_halved(x) if outputs else x, name, weights)
    for name, block in UP.items():
        x = _block(ops.concat([_doubled(x), outputs[cast(str, block.beside)]], 1), name, weights)
    log_odds = convolution(x, *weights.plain(LAST))
    return ov.Model([ops.squeeze(ops.sigmoid(log_odds), [1])], [images], "lungs")


def _block(x: ov.Node, name: str, weights: LayerWeights) -> ov.Node:
    for number in (1, 2):
        folded = weights.folded(f"{name}.conv{number}", f"{name}.bn{number}")
        x = ops.relu(convolution(x, *folded, padding=1))
    return x


def _halved(x: ov.Node) -> ov.Node:
    return ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)


def _doubled(x: ov.Node) -> ov.Node:
    """Repeat every pixel to 2 x 2."""
    twice = constant(np.array([2, 2], np.float32))
    return ops.interpolate(
        x,
        twice,
        mode="nearest",
        shape_calculation_mode="scales",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=ops.constant(np.array([2, 3])),
    )

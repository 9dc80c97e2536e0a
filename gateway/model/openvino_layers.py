"""Layers of a network as nodes of an OpenVINO graph, with their weights. Both graphs are built of them.

Batch normalisation is folded into the convolutions, in float32.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from gateway.model.weights import State

EPSILON = 1e-5  # of PyTorch's batch normalisation

Floats = NDArray[np.float32]


class LayerWeights:
    """The tensors of a `state_dict` as constants of a graph."""

    def __init__(self, state: State) -> None:
        self._state = state

    def folded(self, convolution: str, norm: str) -> tuple[ov.Node, ov.Node]:
        """Return weight and bias of a convolution, with its batch normalisation folded into them."""
        scale = self.array(f"{norm}.weight") / np.sqrt(
            self.array(f"{norm}.running_var") + np.float32(EPSILON)
        )
        weight = self.array(f"{convolution}.weight") * scale[:, None, None, None]
        bias = self.array(f"{norm}.bias") - self.array(f"{norm}.running_mean") * scale
        return constant(weight), constant(bias[None, :, None, None])

    def plain(self, convolution: str) -> tuple[ov.Node, ov.Node]:
        """Return weight and bias of a convolution without batch normalisation."""
        bias = self.array(f"{convolution}.bias")
        return constant(self.array(f"{convolution}.weight")), constant(bias[None, :, None, None])

    def array(self, name: str) -> Floats:
        """Return one tensor."""
        return self._state[name].astype(np.float32)


def convolution(x: ov.Node, weight: ov.Node, bias: ov.Node, *, stride: int = 1, padding: int = 0) -> ov.Node:
    """Return a convolution with its bias."""
    return ops.add(ops.convolution(x, weight, *geometry(stride, padding)), bias)


def geometry(stride: int, padding: int) -> tuple[list[int], ...]:
    """Return strides, padding before and after, and dilation of a convolution."""
    return [stride] * 2, [padding] * 2, [padding] * 2, [1, 1]


def constant(array: Floats) -> ov.Node:
    """Return an array as a node; its memory is not copied."""
    return ops.constant(np.ascontiguousarray(array), shared_memory=True)

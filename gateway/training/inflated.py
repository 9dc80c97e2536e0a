"""Turns a ResNet that was inflated to three dimensions into the start of a ResNet-50. `train` calls it.

Kernels are summed over depth, as for a stack of equal slices. Stages of a deeper network give their first
blocks, so that stem and first stages stay as they were; the last layer is not among the weights.
"""

from __future__ import annotations

import numpy as np

from gateway.model.resnet50 import shapes
from gateway.model.weights import State

INFLATED = 5  # dimensions of a kernel: outputs, inputs, depth, rows, columns


def is_inflated(state: State) -> bool:
    """Tell whether the weights are those of a three-dimensional network."""
    return any(array.ndim == INFLATED for array in state.values())


def slice_of(state: State) -> State:
    """Return the weights of a ResNet-50, without the last layer and without what the network lacks."""
    return {
        name: array.astype(np.float32).sum(axis=2) if array.ndim == INFLATED else array
        for name in shapes()
        if (array := state.get(name)) is not None and not name.startswith("fc.")
    }

"""The classifier in PyTorch with batch-norm statistics of any images. `cross_validation` calls it.

Each normalisation takes mean and variance of its own input, after all earlier normalisations have taken
theirs, in one forward pass of all images (Li et al. 2018, AdaBN; Schneider et al. 2020 for the share).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gateway.model.abstention import Detector
from gateway.model.network import build_network, forward, load_into
from gateway.model.profile import is_statistic
from gateway.model.weights import State

MOST = 64
"""Images that take part in the statistics; more change nothing and cost memory."""

BATCH = 16

Floats = NDArray[np.float32]


class Fitting:
    """A classifier whose normalisations can be fitted again and again.

    Parameters
    ----------
    state
        Tensors of the network as it was shipped.
    detector
        Scores the distance of an image from those of the training; None: all distances are 0.
    share
        Share of the new statistics, 0–1; the rest is the shipped ones.
    """

    def __init__(self, state: State, detector: Detector | None, share: float) -> None:
        self._network = build_network()
        load_into(self._network, state)
        self._network.eval()
        self._detector = detector
        self.share = share
        self._norms = [each for each in self._network.modules() if isinstance(each, nn.BatchNorm2d)]
        self._shipped = [
            (_buffer(each.running_mean).clone(), _buffer(each.running_var).clone()) for each in self._norms
        ]

    @torch.inference_mode()
    def fit(self, images: Floats) -> None:
        """Take the statistics of images, float32 (n, 3, rows, columns), -1 to 1; `MOST` of them at most."""
        if not self.share:
            return
        chosen = np.linspace(0, len(images) - 1, min(MOST, len(images))).round().astype(int)
        hooks = [
            norm.register_forward_pre_hook(self._taking(shipped))
            for norm, shipped in zip(self._norms, self._shipped, strict=True)
        ]
        try:
            forward(self._network, torch.from_numpy(images[chosen]))
        finally:
            for hook in hooks:
                hook.remove()

    @torch.inference_mode()
    def score(self, images: Floats) -> tuple[Floats, Floats]:
        """Return the log-odds of the finding, not calibrated, and the distance, both float32 (n,)."""
        odds, distances = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
        for start in range(0, len(images), BATCH):
            output = forward(self._network, torch.from_numpy(images[start : start + BATCH]))
            odds.append((output.logits[:, 1] - output.logits[:, 0]).numpy())
            distances.append(self._distances(output.description.numpy()))
        return np.concatenate(odds), np.concatenate(distances)

    def statistics(self) -> State:
        """Return mean and variance of every normalisation as they are now."""
        tensors = self._network.state_dict()
        return {name: tensor.numpy().copy() for name, tensor in tensors.items() if is_statistic(name)}

    def _distances(self, description: Floats) -> Floats:
        if self._detector is None:
            return np.zeros(len(description), np.float32)
        return self._detector.score(description)[:, 0]

    def _taking(self, shipped: tuple[Tensor, Tensor]) -> Any:
        """Return the hook that gives a normalisation the statistics of its input beside the shipped ones."""

        def take(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
            variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
            _buffer(norm.running_mean).copy_(torch.lerp(shipped[0], mean, self.share))
            _buffer(norm.running_var).copy_(torch.lerp(shipped[1], variance, self.share))

        return take


def _buffer(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise TypeError("the network's normalisations keep no statistics")
    return tensor

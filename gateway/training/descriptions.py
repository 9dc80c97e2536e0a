"""Runs a trained network over an image set. `finish` and `calibration` call it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gateway.model.network import forward
from gateway.training.evaluation.shifts import Shift

BATCH = 32


class Described(NamedTuple):
    """Log-odds of pneumonia, float32 (n,), and descriptions, float32 (n, D), on the CPU."""

    log_odds: Tensor
    description: Tensor


@torch.inference_mode()
def describe(network: nn.Module, pixels: NDArray[np.uint8], shift: Shift | None = None) -> Described:
    """Return log-odds and descriptions of images, uint8 (n, 224, 224), after `shift`.

    `network` must be in evaluation mode; `shift` takes and returns float (n, 1, 224, 224), 0–1.
    """
    device = next(network.parameters()).device
    odds, descriptions = [], []
    for start in range(0, len(pixels), BATCH):
        x = (
            torch.from_numpy(np.ascontiguousarray(pixels[start : start + BATCH])).to(device)[:, None].float()
            / 255
        )
        x = (x if shift is None else shift(x)) * 2 - 1
        x = x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        output = forward(network, x)
        odds.append((output.logits[:, 1] - output.logits[:, 0]).cpu())
        descriptions.append(output.description.cpu())
    return Described(torch.cat(odds), torch.cat(descriptions))

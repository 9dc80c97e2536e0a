"""Reads a `state_dict` that PyTorch saved (`.pth`). `weights` imports it for such files alone."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gateway.errors import ConfigurationError
from gateway.model.weights import COUNTER, State, no_plain_weights

_CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model")  # keys of the state in training checkpoints


def decode_state_dict(path: Path, content: bytes) -> State:
    """Return the tensors, as float32, by torchvision's names; nothing is executed.

    Raises
    ------
    ConfigurationError
        `content` is no `state_dict`, or holds anything but tensors of real numbers.
    """
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # the reader raises many types: KeyError(101), struct.error, ...
        raise no_plain_weights(path, content, error) from error
    named = _torchvision_names(_state_in(found, path))
    return {name: t.detach().float().numpy() for name, t in named.items() if not name.endswith(COUNTER)}


def _state_in(found: Any, path: Path) -> dict[str, Tensor]:
    for key in _CHECKPOINT_KEYS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(_is_weight(*each) for each in found.items()):
        raise ConfigurationError(f"weights file {path} holds no state_dict: save model.state_dict()")
    return dict(found)


def _is_weight(name: Any, value: Any) -> bool:
    """Tell whether the entry is a named dense tensor of real numbers, not quantized."""
    plain = isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized
    return isinstance(name, str) and plain and not value.is_complex()


def _torchvision_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefixes that DataParallel and a Sequential around the last layer add to the names."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    head = {name for name in plain if re.fullmatch(r"fc\.\d+\.(weight|bias)", name)}
    if len(head) != 2:
        return plain
    return {re.sub(r"^fc\.\d+\.", "fc.", name): tensor for name, tensor in plain.items()}

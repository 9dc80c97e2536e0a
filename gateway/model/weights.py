"""Reads weights files and loads them into the network. `predictor` and training call it.

Nothing in a file is executed, and names and shapes are checked before use.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from gateway.errors import ConfigurationError
from gateway.model.network import build_network

State = dict[str, Tensor]

_CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model")  # keys of the state in training checkpoints


def read_bytes(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a weights file and their hexadecimal SHA-256."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"weights file {path} cannot be read: {error.strerror}") from error
    return content, hashlib.sha256(content).hexdigest()


def check_hash(path: Path, actual: str, expected: str) -> None:
    """Raise ConfigurationError unless the weights are those of the card."""
    if actual != expected:
        raise ConfigurationError(
            f"weights file {path} has SHA-256 {actual}, its model card says {expected}: "
            "restore the file or write a card for it"
        )


def decode_weights(path: Path, content: bytes) -> State:
    """Return the tensors in `content`: safetensors, or a `state_dict` saved by torch. Nothing is executed.

    Raises
    ------
    ConfigurationError
        `content` is neither format, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(content)
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader raises many types: KeyError(101), struct.error, ...
        reason = "it is empty" if not content else str(error).split("\n", 1)[0] or type(error).__name__
        raise ConfigurationError(f"weights file {path} holds no plain weights: {reason}") from error
    return _torchvision_names(_state_in(found, path))


def load_into(network: nn.Module, state: State, path: Path) -> None:
    """Load the tensors of `state`, as float32, into `network`.

    Raises
    ------
    ConfigurationError
        The tensors of the file `path` do not fit the network; the first difference is named.
    """
    expected = network.state_dict()
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    problem = _difference(
        {name: tensor.shape for name, tensor in state.items() if name not in counters},
        {name: tensor.shape for name, tensor in expected.items() if name not in counters},
    )
    if problem:
        raise ConfigurationError(f"weights file {path} is not a ResNet-50 with two outputs: {problem}")
    weights = {name: tensor.float() for name, tensor in state.items() if name not in counters}
    unused = {name: torch.zeros((), dtype=torch.long) for name in counters}
    network.load_state_dict(weights | unused, assign=True)


def network_with(state: State, path: Path) -> nn.Module:
    """Return a ResNet-50 with the weights in `state`, read from `path`; see `load_into`."""
    network = build_network()
    load_into(network, state, path)
    return network


def _state_in(found: Any, path: Path) -> State:
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


def _torchvision_names(state: State) -> State:
    """Remove the prefixes that DataParallel and a Sequential around the last layer add to the names."""
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    head = {name for name in plain if re.fullmatch(r"fc\.\d+\.(weight|bias)", name)}
    if len(head) != 2:
        return plain
    return {re.sub(r"^fc\.\d+\.", "fc.", name): tensor for name, tensor in plain.items()}


def _difference(found: dict[str, torch.Size], expected: dict[str, torch.Size]) -> str | None:
    """Return the first difference of two sets of tensors in words, or None."""
    for name in [*expected, *found]:
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is not part of it"
        if found[name] != expected[name]:
            return f"{name} has shape {tuple(found[name])}, expected {tuple(expected[name])}"
    return None

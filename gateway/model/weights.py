"""Reads weights files as arrays. `predictor` and training call it.

Nothing in a file is executed, and names and shapes are checked before use. PyTorch is loaded only for a
`state_dict` that it saved.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from gateway.errors import ConfigurationError
from gateway.model import lung_unet
from gateway.model.resnet50 import Shape, shapes

State = dict[str, NDArray[Any]]
"""Tensors by torchvision's names, of any type of real numbers."""

COUNTER = "num_batches_tracked"  # of training's batches; no part of the network
_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


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
    """Return the tensors in `content`: safetensors, or a `state_dict` saved by PyTorch. Nothing is executed.

    Raises
    ------
    ConfigurationError
        `content` is neither format, or holds anything but tensors of real numbers.
    """
    if path.suffix != ".safetensors":
        from gateway.model.state_dict import decode_state_dict

        return decode_state_dict(path, content)
    try:
        found = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
        return {name: _array(tensor) for name, tensor in found if not name.endswith(COUNTER)}
    except Exception as error:  # the reader raises many types, and KeyError stands for a type of numbers
        raise no_plain_weights(path, content, error) from error


def no_plain_weights(path: Path, content: bytes, error: Exception) -> ConfigurationError:
    """Return the error that says in one line why a weights file cannot be read."""
    reason = "it is empty" if not content else str(error).split("\n", 1)[0] or type(error).__name__
    return ConfigurationError(f"weights file {path} holds no plain weights: {reason}")


def check_shapes(state: State, path: Path) -> None:
    """Check the tensors of the file `path` against ResNet-50.

    Raises
    ------
    ConfigurationError
        A tensor is missing, has another shape, or is no part of the network; the first one is named.
    """
    problem = _difference({name: array.shape for name, array in state.items()}, shapes())
    if problem:
        raise ConfigurationError(f"weights file {path} is not a ResNet-50 with two outputs: {problem}")


def check_lung_shapes(state: State, path: Path) -> None:
    """Check the tensors of the file `path` against the lung network; see `check_shapes`."""
    problem = _difference({name: array.shape for name, array in state.items()}, lung_unet.shapes())
    if problem:
        raise ConfigurationError(f"weights file {path} is not a lung network of this version: {problem}")


def check_numbers(state: State, path: Path) -> None:
    """Check that every value of the file `path` is a finite number.

    Raises
    ------
    ConfigurationError
        One is not, as after a training that diverged; the first tensor is named.
    """
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise ConfigurationError(f"weights file {path} holds values that are no numbers, in {name}")


def _array(tensor: dict[str, Any]) -> NDArray[Any]:
    """Return a tensor of a safetensors file; bfloat16, which NumPy lacks, as float32."""
    if tensor["dtype"] == "BF16":
        upper = np.frombuffer(tensor["data"], "<u2").astype(np.uint32)
        return (upper << 16).view(np.float32).reshape(tensor["shape"])
    return np.frombuffer(tensor["data"], _TYPES[tensor["dtype"]]).reshape(tensor["shape"])


def _difference(found: dict[str, Shape], expected: dict[str, Shape]) -> str | None:
    """Return the first difference of two sets of tensors in words, or None."""
    for name in [*expected, *found]:
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is not part of it"
        if found[name] != expected[name]:
            return f"{name} has shape {found[name]}, expected {expected[name]}"
    return None

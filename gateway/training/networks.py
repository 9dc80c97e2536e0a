"""The networks of a recipe: the one that ships, and its teachers."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from gateway.model.abstention import PREFIX as DETECTOR
from gateway.model.network import build_network, load_into
from gateway.model.weights import check_numbers, check_shapes, decode_weights, read_bytes
from gateway.training.inflated import is_inflated, slice_of
from gateway.training.lite import Lite, load_lite
from gateway.training.vit import Vit, load_vit

LITE = "efficientnet-lite"


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a weights file; the network keeps its own last layer beside weights of an inflated network."""
    state = decode_weights(path, read_bytes(path)[0])
    check_numbers(state, path)
    if isinstance(network, Lite):
        load_lite(network, state, path)
        return
    if isinstance(network, Vit):
        load_vit(network, state, path)
        return
    of_network = {name: array for name, array in state.items() if not name.startswith(DETECTOR)}
    if is_inflated(of_network):
        last = {name: t.numpy() for name, t in network.state_dict().items() if name.startswith("fc.")}
        of_network = slice_of(of_network) | last
    check_shapes(of_network, path)
    load_into(network, of_network)


def untrained(of: str) -> nn.Module:
    """Return a network of a recipe, `TrainingStage.network`, with random weights."""
    if of.startswith(LITE):
        return Lite(int(of.removeprefix(LITE)))
    return Vit() if of == "vit-s14" else build_network()

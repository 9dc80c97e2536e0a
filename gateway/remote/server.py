"""A model server: what it says of itself, and how requests reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from gateway.model.engines import Floats
from gateway.peer_text import clean
from gateway.remote.contract import DATATYPE, IMAGE, Network, Shape
from gateway.remote.encoding import Inferred
from gateway.remote.failures import Broke

ANY = -1  # a dimension of any length


class Described(NamedTuple):
    """A server's statements of itself and its models.

    Attributes
    ----------
    program
        Name and version of the server, and the platform of the classifier, as it states them.
    names
        Names of the tensors at the server by those of the contract, for each network's name.
    versions
        Versions of each network that the server has, in its words.
    """

    program: str
    names: Mapping[str, Mapping[str, str]]
    versions: tuple[str, ...] = ()


class Transport(Protocol):
    """Requests to one server; any thread may call it.

    Every method ends within the server's `timeout_seconds`, and raises `Away` or `Broke` beside the answer.
    """

    def describe(self, networks: Sequence[Network]) -> Described:
        """Return what the server says of itself; `Broke` where its models are not those of the contract."""

    def infer(self, network: Network, images: Floats) -> Inferred:
        """Return the outputs for n images, float32."""

    def forget(self) -> None:
        """Close what is open, and forget what was learnt of the server: it may be another one now."""


def described_of(
    name: object,
    version: object,
    platform: object,
    names: Mapping[str, Mapping[str, str]],
    versions: Sequence[object],
) -> Described:
    """Return a description from a server's words, cleaned; `versions` are those of each network."""
    words = (name, version, f"({platform})" if platform else "")
    program = clean(" ".join(str(word) for word in words if word), 80)
    return Described(program, names, tuple(clean(each, 200) for each in versions))


def names_of(network: Network, inputs: Sequence[Any], outputs: Sequence[Any]) -> dict[str, str]:
    """Return the names of a network's tensors at the server, from its metadata.

    `inputs` and `outputs` are (name, datatype, shape). A server that lists none is taken at its answers. A
    name may end in `__` and a number, as those of Triton's TorchScript.

    Raises
    ------
    Broke
        A tensor is missing, or has another type or shape.
    """
    wanted: dict[str, Shape] = {IMAGE: network.image, **network.outputs}
    if not inputs and not outputs:
        return {name: name for name in wanted}
    found = {}
    for name, shape in wanted.items():
        offered = inputs if name == IMAGE else outputs
        tensor = next((each for each in offered if _base(str(each[0])) == name), None)
        if tensor is None:
            told = ", ".join(str(each[0])[:40] for each in offered[:5]) or "none"
            raise Broke(f"its model {network.name} has no tensor {name}, but {told}", is_refusal=True)
        _check(network, name, shape, str(tensor[1]), tensor[2])
        found[name] = str(tensor[0])
    return found


def _base(name: str) -> str:
    stem, mark, number = name.rpartition("__")
    return stem if mark and number.isdigit() else name


def _check(network: Network, name: str, shape: Shape, datatype: str, stated: Any) -> None:
    whole = list(stated) if isinstance(stated, Sequence) else []
    fits = len(whole) == len(shape) + 1 and whole[0] == ANY
    fits = fits and all(each in (ANY, side) for each, side in zip(whole[1:], shape, strict=True))
    if datatype != DATATYPE or not fits:
        told = f"{datatype[:20]} {str(whole)[:60]}"
        text = f"its model {network.name} has {name} as {told}, not {DATATYPE} {[ANY, *shape]}"
        raise Broke(text, is_refusal=True)

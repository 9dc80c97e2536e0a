"""The Open Inference Protocol over gRPC, with raw tensors. An optional extra: `cxr-gateway[grpc]`.

Each request has a connection of its own and one deadline, from the name's resolution to the last byte. More
than the contract's tensors is not read, also of an answer that is compressed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np

from gateway.model.engines import Floats
from gateway.peer_text import clean
from gateway.remote.contract import DATATYPE, IMAGE, Network
from gateway.remote.encoding import HEAD_BYTES, Inferred, Malformed, inferred_of
from gateway.remote.failures import Broke, Busy
from gateway.remote.grpc_connection import GrpcConnection
from gateway.remote.server import Described, described_of, names_of
from gateway.settings.web_server import WebServer

MOST_FLOAT_BYTES = 5
"""Of a number in an answer: its four bytes, and a tag where a server does not pack them."""


class GrpcTransport:
    """See `Transport`.

    Parameters
    ----------
    version
        Version of both models at the server; None: the one that the server prefers.
    """

    def __init__(self, server: WebServer, version: str | None = None) -> None:
        self._server = server
        self._version = version or ""
        self._names: Mapping[str, Mapping[str, str]] = {}

    def describe(self, networks: Sequence[Network]) -> Described:
        """See `Transport`; all its requests share a connection and a deadline."""
        with GrpcConnection(self._server, HEAD_BYTES) as connection:
            about = connection.ask("ServerMetadata")
            models = {each.name: self._model(connection, each) for each in networks}
        self._names = {each.name: names_of(each, *_tensors(models[each.name])) for each in networks}
        return described_of(
            about.name,
            about.version,
            models[networks[0].name].platform,
            self._names,
            [list(models[each.name].versions) for each in networks],
        )

    def infer(self, network: Network, images: Floats) -> Inferred:
        """See `Transport`."""
        request_id = uuid4().hex
        names = self._names[network.name]
        tensor = {"name": names[IMAGE], "datatype": DATATYPE, "shape": images.shape}
        with GrpcConnection(self._server, most_answer_bytes(network, len(images))) as connection:
            answer = connection.ask(
                "ModelInfer",
                model_name=network.name,
                model_version=self._version,
                id=request_id,
                inputs=[tensor],
                outputs=[{"name": names[name]} for name in network.outputs],
                raw_input_contents=[np.ascontiguousarray(images, "<f4").tobytes()],
            )
        head = {"id": answer.id, "model_name": answer.model_name, "model_version": answer.model_version}
        try:
            return inferred_of(head, _outputs(answer), network, len(images), request_id, names)
        except Malformed as problem:
            raise Broke(f"ModelInfer: {problem}") from None

    def forget(self) -> None:
        """See `Transport`; no connection outlasts its request, and nothing is learnt."""

    def _model(self, connection: GrpcConnection, network: Network) -> Any:
        """Return the metadata of a model that is ready."""
        if not connection.ask("ModelReady", name=network.name, version=self._version).ready:
            raise Busy(f"it says that its model {network.name} is not ready")
        return connection.ask("ModelMetadata", name=network.name, version=self._version)


def most_answer_bytes(network: Network, images: int) -> int:
    """Return the size beyond which no answer is read."""
    return HEAD_BYTES + network.values(images) * MOST_FLOAT_BYTES


def _tensors(model: Any) -> tuple[list[Any], list[Any]]:
    inputs, outputs = (
        [(clean(each.name), each.datatype, list(each.shape)) for each in tensors]
        for tensors in (model.inputs, model.outputs)
    )
    return inputs, outputs


def _outputs(answer: Any) -> list[tuple[dict[str, Any], Any]]:
    """Return each output with its data: bytes, or a list of numbers."""
    raw = answer.raw_output_contents
    if raw and len(raw) != len(answer.outputs):
        raise Malformed("the answer has another number of raw_output_contents than of outputs")
    data = raw or [list(each.contents.fp32_contents) for each in answer.outputs]
    heads = [
        {"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in answer.outputs
    ]
    return list(zip(heads, data, strict=True))

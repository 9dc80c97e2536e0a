"""A model server by the Open Inference Protocol v2 over gRPC, with networks of the test's choice behind it.

It shares no code with the gateway's client: messages are read and written by the numbers of the protocol's
text and the rules of protobuf's encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import grpc
import numpy as np

from gateway.model.engines import NetworkEngine
from tests.support.model_server import OUTPUTS, SHAPES, Floats

SERVICE = "inference.GRPCInferenceService"
TENSORS = {"image": None, "activation": (7, 7), "description": (21504,), "lungs": (112, 112)}
Spoil = Callable[[Any, dict[str, Any], dict[str, Floats]], "bytes | bool"]


class GrpcModelServer:
    """Serves two networks on loopback.

    Attributes
    ----------
    is_raw
        Whether it gives `raw_output_contents`; else `fp32_contents`.
    spoil
        Called with the call's context, the answer's head and the outputs. It may change both and return
        False, return the answer's bytes, or abort the call.
    traffic
        Content and metadata of every request.
    """

    def __init__(self, networks: NetworkEngine, port: int = 0, most_bytes: int = -1, **tls: Any) -> None:
        self.networks: Any = networks
        self._most_bytes = most_bytes
        self.is_raw = True
        self.ready = True
        self.version = "1"
        self.datatype = "FP32"
        self.spoil: Spoil | None = None
        self.token: str | None = None
        self.ids: list[str] = []
        self.methods: list[str] = []
        self.traffic: list[bytes] = []
        self._credentials = grpc.ssl_server_credentials(**tls) if tls else None
        self.port = self._start(port)

    @property
    def url(self) -> str:
        return f"http{'s' if self._credentials else ''}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(0).wait(60)

    def restart(self) -> None:
        """Cut every connection, as a server that dies and is started again."""
        self._server.stop(0)
        self._start(self.port)

    def _start(self, port: int) -> int:
        methods = {
            "ServerReady": lambda *_: field(1, self.ready),
            "ServerMetadata": lambda *_: field(1, "test-server") + field(2, "9.1") + field(3, "extension"),
            "ModelReady": lambda *_: field(1, self.ready),
            "ModelMetadata": self._metadata,
            "ModelInfer": self._infer,
        }
        handlers = {name: self._handler(name, answer) for name, answer in methods.items()}
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", self._most_bytes),
        ]
        self._server = grpc.server(ThreadPoolExecutor(8), options=options)
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        address = f"127.0.0.1:{port}"
        if self._credentials:
            port = self._server.add_secure_port(address, self._credentials)
        else:
            port = self._server.add_insecure_port(address)
        self._server.start()
        return port

    def _handler(self, name: str, answer: Callable[[bytes, Any], bytes]) -> Any:
        def handle(content: bytes, context: Any) -> bytes:
            metadata = dict(context.invocation_metadata())
            self.methods.append(name)
            self.traffic += [content, repr(metadata).encode()]
            if self.token not in (None, metadata.get("authorization", "").removeprefix("Bearer ")):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
            return answer(content, context)

        return grpc.unary_unary_rpc_method_handler(handle)

    def _metadata(self, content: bytes, context: Any) -> bytes:
        model = fields(content)[1][0].decode()
        if model not in SHAPES:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model {model}")

        def tensor(name: str) -> bytes:
            shape = TENSORS[name] or SHAPES[model]
            return field(1, name) + field(2, self.datatype) + field(3, packed(-1, *shape))

        outputs = b"".join(field(5, tensor(name)) for name in OUTPUTS[model])
        told = field(1, model) + field(2, self.version) + field(3, "test")
        return told + field(4, tensor("image")) + outputs

    def _infer(self, content: bytes, context: Any) -> bytes:
        asked = fields(content)
        model, request_id = asked[1][0].decode(), asked[3][0].decode()
        self.ids.append(request_id)
        tensor = fields(asked[5][0])
        assert (tensor[1], tensor[2]) == ([b"image"], [b"FP32"])
        assert [fields(each)[1][0].decode() for each in asked[6]] == list(OUTPUTS[model])
        (raw,) = asked[7]
        images = np.frombuffer(raw, "<f4").reshape(tuple(varints(tensor[3][0])))
        assert images.shape[1:] == SHAPES[model]
        outputs = self._outputs(model, images)
        head = {"model_name": model, "model_version": self.version, "id": request_id, "datatype": "FP32"}
        spoilt = self.spoil(context, head, outputs) if self.spoil else False
        return spoilt if isinstance(spoilt, bytes) else self.answer(head, outputs)

    def _outputs(self, model: str, images: Floats) -> dict[str, Floats]:
        if model == "cxr-lungs":
            return {"lungs": self.networks.mark_lungs(images)}
        output = self.networks.run(images)
        return {"activation": output.activation, "description": output.description}

    def answer(self, head: dict[str, Any], outputs: dict[str, Floats]) -> bytes:
        """Return a ModelInferResponse."""
        keys = ("model_name", "model_version", "id")
        told = b"".join(field(number, head[key] or "") for number, key in enumerate(keys, 1))
        for name, values in outputs.items():
            raw = np.ascontiguousarray(values, "<f4").tobytes()
            tensor = field(1, name) + field(2, head["datatype"]) + field(3, packed(*values.shape))
            told += field(5, tensor + (b"" if self.is_raw else field(5, field(6, raw))))
            told += field(6, raw) if self.is_raw else b""
        return told + (field(6, head["more"]) if "more" in head else b"")


def varint(value: int) -> bytes:
    """Return a number in base 128; a negative one as 64 bits."""
    value %= 1 << 64
    taken = bytearray()
    while value > 127:
        taken.append(value & 127 | 128)
        value >>= 7
    return bytes([*taken, value])


def varints(content: bytes) -> list[int]:
    """Return the numbers of a packed field."""
    values, value, shift = [], 0, 0
    for byte in content:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            values.append(value)
            value, shift = 0, 0
    return values


def packed(*values: int) -> bytes:
    """Return the content of a packed field."""
    return b"".join(map(varint, values))


def field(number: int, value: str | bytes | bool) -> bytes:
    """Return a field with its number: a Boolean as a varint, all else with its length."""
    if isinstance(value, bool):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(content: bytes) -> dict[int, list[bytes]]:
    """Return the contents of a message's fields, all of them with a length, by number."""
    found, at = [], 0
    while at < len(content):
        ends = [at]
        for _ in range(2):  # key and length
            end = ends[-1]
            while content[end] > 127:
                end += 1
            ends.append(end + 1)
        key, length = varints(content[at : ends[-1]])
        assert key & 7 == 2, "a field without a length"
        at = ends[-1] + length
        found.append((key >> 3, content[ends[-1] : at]))
    ordered = sorted(found, key=lambda each: each[0])
    return {number: [each[1] for each in group] for number, group in groupby(ordered, lambda each: each[0])}


@contextmanager
def serving_grpc(networks: NetworkEngine, **options: Any) -> Iterator[GrpcModelServer]:
    """Run a server for the length of a block."""
    server = GrpcModelServer(networks, **options)
    try:
        yield server
    finally:
        server.stop()

"""A model server by the Open Inference Protocol v2 over HTTP, with networks of the test's choice behind it.

Written from the protocol's text, not from the gateway's client. Run as a program it serves the shipped model
by OpenVINO until its standard input ends, and prints its port.
"""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gateway.model.engines import NetworkEngine, RawOutput

Floats = NDArray[np.float32]
LENGTH = "Inference-Header-Content-Length"
SHAPES = {"cxr-classifier": (3, 224, 224), "cxr-lungs": (1, 112, 112)}
OUTPUTS = {"cxr-classifier": ("activation", "description"), "cxr-lungs": ("lungs",)}


class FakeNetworks:
    """Networks that cost nothing: brightness is the map, and two lungs are everywhere."""

    name, on_gpu, passes_at_once, tolerance = "fake", True, 1, 0.001

    def __init__(self, shift: float = 0.0) -> None:
        self._shift = np.float32(shift)
        self.passes: list[int] = []

    def run(self, images: Floats) -> RawOutput:
        self.passes.append(len(images))
        brightness = images.mean(axis=(1, 2, 3), dtype=np.float32) + self._shift
        activation = np.repeat(brightness, 49).reshape(-1, 7, 7)
        description = np.repeat(brightness, 21504).reshape(len(images), -1)
        return RawOutput(brightness, activation, description)

    def mark_lungs(self, images: Floats) -> Floats:
        marked = np.zeros((len(images), 112, 112), np.float32)
        marked[:, 28:84, 14:42] = marked[:, 28:84, 70:98] = 1
        return marked


class ModelServer(ThreadingHTTPServer):
    """Serves two networks on loopback.

    Attributes
    ----------
    binary
        Whether it takes and gives binary tensors; else it refuses them with 400.
    version
        Version of both models, as its answers state it.
    program
        Version of the server itself.
    spoil
        Called with the handler, the answer's JSON and the outputs before they are sent; it may change both
        and return False, or answer by itself and return True.
    traffic
        Every byte that came, by connection.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, networks: NetworkEngine, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.networks: Any = networks
        self.binary = True
        self.version = "1"
        self.program = "9.1"
        self.spoil: Callable[[Handler, dict[str, Any], dict[str, Floats]], bool] | None = None
        self.token: str | None = None
        self.traffic: list[bytes] = []
        self.requests: list[tuple[str, bool]] = []  # path, binary
        self.ids: list[str] = []
        self._context = context

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> Any:
        connection, address = super().get_request()
        connection.settimeout(60)
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """A client that leaves, or does not trust the certificate, is no error of the server."""

    def infer(self, model: str, images: Floats) -> dict[str, Floats]:
        if model == "cxr-lungs":
            return {"lungs": self.networks.mark_lungs(images)}
        output = self.networks.run(images)
        return {"activation": output.activation, "description": output.description}

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Recorded:
    """A file whose bytes are noted as they are read."""

    def __init__(self, file: Any, traffic: list[bytes]) -> None:
        self._file, self._traffic = file, traffic

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def readline(self, *size: int) -> bytes:
        return self._noted(self._file.readline(*size))

    def read(self, *size: int) -> bytes:
        return self._noted(self._file.read(*size))

    def _noted(self, taken: bytes) -> bytes:
        self._traffic.append(taken)
        return taken


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: ModelServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.rfile = _Recorded(self.rfile, self.server.traffic)

    def log_message(self, *_: object) -> None:
        """The tests look at `requests`."""

    def do_GET(self) -> None:
        if not self._may():
            return
        parts = self.path.strip("/").split("/")
        if parts == ["v2"]:
            about = {"name": "test-server", "version": self.server.program}
            self.send(200, about | {"extensions": ["binary_tensor_data"]})
        elif parts[:2] == ["v2", "models"] and parts[2] in SHAPES:
            self.send(200, self._metadata(parts[2]))
        else:
            self.send(404, {"error": f"unknown model {self.path}"})

    def _metadata(self, model: str) -> dict[str, Any]:
        about = {"image": SHAPES[model], "activation": (7, 7), "description": (21504,), "lungs": (112, 112)}
        tensors = {
            name: {"name": name, "datatype": "FP32", "shape": [-1, *shape]} for name, shape in about.items()
        }
        outputs = [tensors[name] for name in OUTPUTS[model]]
        return {
            "name": model,
            "versions": [self.server.version],
            "platform": "test",
            "inputs": [tensors["image"]],
            "outputs": outputs,
        }

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._may():
            return
        length = self.headers.get(LENGTH)
        self.server.requests.append((self.path, length is not None))
        if length and not self.server.binary:
            self.send(400, {"error": "binary tensors are not supported"})
            return
        request = json.loads(body[: int(length)] if length else body)
        self.server.ids.append(request["id"])
        model = self.path.split("/")[3]
        tensor = request["inputs"][0]
        assert (tensor["name"], tensor["datatype"]) == ("image", "FP32")
        data = np.frombuffer(body[int(length) :], "<f4") if length else np.array(tensor["data"], np.float32)
        images = np.ascontiguousarray(data.reshape(tensor["shape"]))
        assert images.shape[1:] == SHAPES[model]
        answer = {"model_name": model, "model_version": self.server.version, "id": request["id"]}
        outputs = self.server.infer(model, images)
        if not (self.server.spoil and self.server.spoil(self, answer, outputs)):
            self.answer(answer, outputs, binary=length is not None)

    def answer(self, answer: dict[str, Any], outputs: dict[str, Floats], *, binary: bool) -> None:
        """Send outputs as JSON, or behind it."""
        told, tail = [], b""
        for name, values in outputs.items():
            tensor = {"name": name, "shape": list(values.shape), "datatype": "FP32"}
            if binary:
                raw = np.ascontiguousarray(values, "<f4").tobytes()
                told.append(tensor | {"parameters": {"binary_data_size": len(raw)}})
                tail += raw
            else:
                told.append(tensor | {"data": values.ravel().tolist()})
        head = json.dumps(answer | {"outputs": told}).encode()
        headers = {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"} if binary else {}
        self.send_bytes(200, head + tail, {"Content-Type": "application/json"} | headers)

    def send(self, status: int, content: Any) -> None:
        self.send_bytes(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send_bytes(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _may(self) -> bool:
        if self.server.token in (None, self.headers.get("Authorization", "").removeprefix("Bearer ")):
            return True
        self.send(401, {"error": "who are you?"})
        return False


@contextmanager
def serving(networks: NetworkEngine, **options: Any) -> Iterator[ModelServer]:
    """Run a server for the length of a block."""
    with ModelServer(networks, **options) as server:
        yield server


def main() -> None:
    """Serve the shipped model by OpenVINO."""
    from gateway.model.choice import EngineRules, open_openvino
    from gateway.model.predictor import SHIPPED, read_model

    _, model = read_model(SHIPPED)
    with serving(open_openvino(model, EngineRules(precision="float32", threads=1))) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()

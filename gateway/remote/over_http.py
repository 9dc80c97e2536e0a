"""The Open Inference Protocol over HTTP/1.1, with binary tensors, or in JSON where the server refuses these.

Each request has a connection of its own and one deadline, from the first address that is tried to the last
byte that is read. More than the contract's tensors is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from gateway.client.connection import Patience
from gateway.client.exchange import Unanswered, Unreached
from gateway.client.http import Answer, WebClient
from gateway.model.engines import Floats
from gateway.peer_text import clean
from gateway.remote.contract import Network
from gateway.remote.encoding import (
    HEAD_BYTES,
    Inferred,
    Malformed,
    most_answer_bytes,
    read_answer,
    read_json,
    write_request,
)
from gateway.remote.failures import Away, Broke, Busy
from gateway.remote.server import Described, described_of, names_of
from gateway.settings.web_server import WebServer

BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


class HttpTransport:
    """See `Transport`.

    Parameters
    ----------
    version
        Version of both models at the server; None: the one that the server prefers.
    """

    def __init__(self, server: WebServer, version: str | None = None) -> None:
        self._server = server
        self._version = version
        self._binary: bool | None = None  # whether it takes binary tensors; None: to be found out
        self._names: Mapping[str, Mapping[str, str]] = {}

    def describe(self, networks: Sequence[Network]) -> Described:
        """See `Transport`."""
        about = self._get("/v2")
        models = {network.name: self._get(self._path(network)) for network in networks}
        self._names = {each.name: names_of(each, *_tensors(models[each.name])) for each in networks}
        platform = models[networks[0].name].get("platform")
        versions = [models[each.name].get("versions") for each in networks]
        return described_of(about.get("name"), about.get("version"), platform, self._names, versions)

    def infer(self, network: Network, images: Floats) -> Inferred:
        """See `Transport`; the first request finds out whether the server takes binary tensors."""
        if self._binary is not None:
            return self._infer(network, images, binary=self._binary)
        try:
            inferred, self._binary = self._infer(network, images, binary=True), True
        except Broke:
            inferred, self._binary = self._infer(network, images, binary=False), False
        return inferred

    def forget(self) -> None:
        """See `Transport`; no connection outlasts its request."""
        self._binary = None

    def _path(self, network: Network) -> str:
        version = f"/versions/{quote(self._version, safe='')}" if self._version else ""
        return f"/v2/models/{quote(network.name, safe='')}{version}"

    def _infer(self, network: Network, images: Floats, *, binary: bool) -> Inferred:
        request_id = uuid4().hex
        names = self._names[network.name]
        headers, body = write_request(network, images, request_id, names, binary=binary)
        most = most_answer_bytes(network, len(images))
        answer = self._ask("POST", f"{self._path(network)}/infer", headers, body, most)
        try:
            return read_answer(answer.content, answer.headers, network, len(images), request_id, names)
        except Malformed as problem:
            raise Broke(f"{answer.url}: {problem}") from None

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._ask("GET", path, {}, (), HEAD_BYTES)
        try:
            return read_json(answer.content)
        except Malformed as problem:
            raise Broke(f"{answer.url}: {problem}", is_refusal=True) from None

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: Sequence[bytes], most_bytes: int
    ) -> Answer:
        patience = Deadline(self._server.timeout_seconds)
        client = WebClient(self._server, patience=patience, most_bytes=most_bytes)
        try:
            answer = client.request(method, path, headers, body)
        except Unreached as problem:
            raise Away(str(problem)) from problem
        except Unanswered as problem:
            raise Broke(str(problem)) from problem
        if answer.status in BUSY:
            raise Busy(f"{answer}{_told(answer)}")
        if not answer.is_success:
            is_refusal = answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
            raise Broke(f"{answer}{_told(answer)}", is_refusal=is_refusal)
        return answer


class Deadline(Patience):
    """One time limit for a request as a whole, whatever its parts are."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = monotonic() + seconds
        super().__init__(seconds)

    def begin(self, octets: int = 0, seconds: float | None = None) -> None:
        """Start the clock of a part of the request, within what is left of the whole."""
        super().begin(octets, seconds)
        self.whole = min(self.whole, self._ends_at - self._begun)


def _tensors(model: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    return _listed(model.get("inputs")), _listed(model.get("outputs"))


def _listed(tensors: Any) -> list[tuple[Any, Any, Any]]:
    if not isinstance(tensors, list):
        return []
    listed = [each for each in tensors if isinstance(each, dict)]
    return [(each.get("name"), each.get("datatype"), each.get("shape")) for each in listed]


def _told(answer: Answer) -> str:
    """Return the server's own words for an error; tensors are no part of them."""
    try:
        words = read_json(answer.content).get("error")
    except Malformed:
        return ""
    return f": {clean(words, 200)}" if isinstance(words, str) and words else ""

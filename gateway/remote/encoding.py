"""Requests and answers of the Open Inference Protocol over HTTP: JSON, also with binary tensors behind it.

Pure. An answer is read strictly: names, types, shapes and sizes are those of the contract, or `Malformed` is
raised. See https://github.com/kserve/open-inference-protocol (inference_rest, binary data extension).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gateway.model.engines import Floats
from gateway.remote.contract import DATATYPE, IMAGE, Network, Shape

HEADER_LENGTH = "Inference-Header-Content-Length"
MOST_CHARACTERS = 32
"""Of a number in JSON, with its comma: the longest float64 has 24."""

HEAD_BYTES = 64 * 1024
"""Most bytes of an answer beside its tensors: names, shapes, parameters."""


class Malformed(Exception):  # noqa: N818 - said of the answer
    """The answer is not what the protocol and the contract say; the text says why, in one line."""


class Request(NamedTuple):
    """Headers and body of a request."""

    headers: Mapping[str, str]
    body: Sequence[bytes]


class Inferred(NamedTuple):
    """The outputs of an answer by name, and the version of the model that gave them, empty if not stated."""

    outputs: Mapping[str, Floats]
    version: str


def write_request(
    network: Network, images: Floats, request_id: str, names: Mapping[str, str], *, binary: bool
) -> Request:
    """Return the request for n images, float32; `names` are those of the tensors at the server."""
    tensor: dict[str, Any] = {"name": names[IMAGE], "shape": list(images.shape), "datatype": DATATYPE}
    outputs: list[dict[str, Any]] = [{"name": names[name]} for name in network.outputs]
    if not binary:
        content = {
            "id": request_id,
            "inputs": [tensor | {"data": images.ravel().tolist()}],
            "outputs": outputs,
        }
        return Request({"Content-Type": "application/json"}, (json.dumps(content).encode(),))
    tensor["parameters"] = {"binary_data_size": images.nbytes}
    outputs = [each | {"parameters": {"binary_data": True}} for each in outputs]
    head = json.dumps({"id": request_id, "inputs": [tensor], "outputs": outputs}).encode()
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return Request(headers, (head, np.ascontiguousarray(images, "<f4").tobytes()))


def most_answer_bytes(network: Network, images: int) -> int:
    """Return the size beyond which no answer is read."""
    return HEAD_BYTES + network.values(images) * MOST_CHARACTERS


def read_answer(
    content: bytes,
    headers: Mapping[str, str],
    network: Network,
    images: int,
    request_id: str,
    names: Mapping[str, str],
) -> Inferred:
    """Return the outputs of an answer to a request for n images; `headers` have names in lower case.

    Raises
    ------
    Malformed
    """
    head, tail = _parts(content, headers)
    answer = read_json(head)
    return inferred_of(answer, _tensors(answer, tail), network, images, request_id, names)


def inferred_of(
    answer: Mapping[str, Any],
    tensors: Iterable[tuple[Mapping[str, Any], Any]],
    network: Network,
    images: int,
    request_id: str,
    names: Mapping[str, str],
) -> Inferred:
    """Return the outputs of an answer whose tensors come with their data: bytes, or numbers.

    Raises
    ------
    Malformed
    """
    for key, wanted in (("id", request_id), ("model_name", network.name)):
        if answer.get(key) != wanted:
            raise Malformed(f"the answer's {key} is not that of the request")
    found = {tensor["name"]: (tensor, data) for tensor, data in tensors}
    outputs = {}
    for name, shape in network.outputs.items():
        if names[name] not in found:
            raise Malformed(f"the answer has no output {name}")
        outputs[name] = _array(*found[names[name]], (images, *shape), name)
    return Inferred(outputs, str(answer.get("model_version") or ""))


def read_json(content: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises
    ------
    Malformed
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the answer is not JSON ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise Malformed("the answer is not a JSON object")
    return found


def _parts(content: bytes, headers: Mapping[str, str]) -> tuple[bytes, bytes]:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get(HEADER_LENGTH.lower())
    if length is None:
        if media_type != "application/json":
            raise Malformed(
                f"the answer is {media_type[:60] or 'without a media type'}, not application/json"
            )
        return content, b""
    if media_type not in ("application/octet-stream", "application/json"):
        raise Malformed(f"the answer is {media_type[:60] or 'without a media type'}, not binary tensors")
    if not (length.isascii() and length.isdecimal() and len(length) < 12 and int(length) <= len(content)):
        raise Malformed(f"the answer's {HEADER_LENGTH} is wrong")
    return content[: int(length)], content[int(length) :]


def _tensors(answer: Mapping[str, Any], tail: bytes) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each output with its data: a list of numbers, or bytes."""
    outputs = answer.get("outputs")
    if not isinstance(outputs, list) or not all(map(_is_named, outputs)):
        raise Malformed("the answer has no list of outputs")
    used = 0
    for output in outputs:
        parameters = output.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            yield output, output.get("data")
            continue
        if type(size) is not int or not 0 <= size <= len(tail) - used:
            raise Malformed("the answer's binary_data_size is wrong")
        yield output, tail[used : used + size]
        used += size
    if used != len(tail):
        raise Malformed("bytes follow the answer's tensors")


def _is_named(output: Any) -> bool:
    return isinstance(output, dict) and isinstance(output.get("name"), str)


def _array(tensor: Mapping[str, Any], data: Any, shape: Shape, name: str) -> Floats:
    if tensor.get("datatype") != DATATYPE or tensor.get("shape") != list(shape):
        told = f"{str(tensor.get('datatype'))[:20]} {str(tensor.get('shape'))[:60]}"
        raise Malformed(f"the output {name} is {told}, not {DATATYPE} {list(shape)}")
    return floats(data, shape, name)


def floats(data: Any, shape: Shape, name: str) -> Floats:
    """Return raw bytes, little endian, or numbers, perhaps nested, as float32 of a shape.

    Raises
    ------
    Malformed
    """
    try:
        array = np.frombuffer(data, "<f4") if isinstance(data, bytes) else np.asarray(data, np.float32)
        return np.ascontiguousarray(array.reshape(shape), np.float32)
    except (ValueError, TypeError, OverflowError):
        raise Malformed(f"the output {name} does not hold numbers of the shape {list(shape)}") from None

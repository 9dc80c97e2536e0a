"""A model at servers over gRPC: the same answers, the same patience and the same mistrust as over HTTP."""

# ruff: noqa: ARG001, ARG005 - what spoils answers has one signature

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from pydantic import SecretStr

from gateway.errors import Reject
from gateway.records import Reason
from gateway.remote.over_grpc import GrpcTransport
from gateway.remote.predictor import RemotePredictor
from gateway.remote.suspects import STRIKES
from tests.support.certificates import Authority
from tests.support.free_ports import free_port
from tests.support.grpc_model_server import GrpcModelServer, field, serving_grpc
from tests.support.model_server import FakeNetworks, serving
from tests.unit.remote.lies import changes, cuts, lies_once_proven, other_model, reshapes, turns
from tests.unit.remote.remote_model import images, local, outcomes, predictor_of

over_grpc = functools.partial(predictor_of, transport=GrpcTransport)


@pytest.fixture
def server() -> Iterator[GrpcModelServer]:
    with serving_grpc(FakeNetworks()) as running:
        yield running


@pytest.mark.parametrize("is_raw", [True, False])
def test_answers_are_those_over_http(server: GrpcModelServer, is_raw: bool) -> None:
    server.is_raw = is_raw
    with serving(FakeNetworks()) as http:
        expected = [(each.label, each.score) for each in predictor_of(http.url).predict(images(3))]
    found = over_grpc(server.url).predict(images(3))
    assert [(each.label, each.score) for each in found] == expected
    assert [each.score for each in found] == pytest.approx(local(images(3)), abs=1e-6)
    assert len(set(server.ids)) == len(server.ids)


def test_a_request_is_larger_than_grpc_allows_by_itself(server: GrpcModelServer) -> None:
    """The usual limit of gRPC is 4 MB; these 65 images have 39 MB, and their answer 5.6 MB."""
    found = over_grpc(server.url, per_request=64).predict(images(64))
    assert [each.score for each in found] == pytest.approx(local(images(64)), abs=1e-6)
    assert max(map(len, server.traffic)) > 39_000_000


def test_a_server_that_takes_4_mb_at_a_time_gets_images_alone() -> None:
    with serving_grpc(FakeNetworks(), most_bytes=4 << 20) as server:
        assert outcomes(over_grpc(server.url).predict_each(images(8))) == ["answered"] * 8
        assert max(map(len, server.traffic)) < 4 << 20


def test_the_identity_names_program_server_and_precision(server: GrpcModelServer) -> None:
    (prediction,) = over_grpc(server.url).predict(images(1))
    assert prediction.model.engine == "test-server 9.1 (test) float32"


def test_every_request_holds_a_reference_image_more(server: GrpcModelServer) -> None:
    predictor = over_grpc(server.url, per_request=3)
    predictor.check()
    server.networks.passes.clear()
    predictor.predict(images(7))
    assert sorted(server.networks.passes) == [2, 4, 4]


def test_a_request_says_nothing_but_tensors_and_a_random_number(server: GrpcModelServer) -> None:
    over_grpc(server.url).predict(images(1))
    said = {text for text in server.traffic if text.startswith(b"{")}
    assert len(said) == 1
    assert b"CXR-Gateway" in said.pop()
    assert all(len(each) == 32 for each in server.ids)


# --- a server that is away or busy


def test_images_wait_for_a_server_that_is_away_and_comes_back() -> None:
    port = free_port()
    predictor = over_grpc(f"http://127.0.0.1:{port}")
    assert outcomes(predictor.predict_each(images(3))) == ["Retry"] * 3
    assert "nothing answers there" in (predictor.problem or "")
    with serving_grpc(FakeNetworks(), port=port):
        assert outcomes(predictor.predict_each(images(3))) == ["answered"] * 3


@pytest.mark.parametrize("status", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])
def test_a_busy_server_is_not_the_images_fault(server: GrpcModelServer, status: str) -> None:
    predictor = over_grpc(server.url)
    predictor.check()
    server.spoil = lambda call, *_: call.abort(grpc.StatusCode[status], "later")
    for _ in range(2 * STRIKES):
        assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
    assert f"ModelInfer: {status}: later" in str(predictor.predict_each(images(1))[0])
    server.spoil = None
    assert outcomes(predictor.predict_each(images(1))) == ["answered"]


def test_a_server_that_is_not_ready_is_waited_for(server: GrpcModelServer) -> None:
    server.ready = False
    predictor = over_grpc(server.url)
    assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
    assert "not ready" in (predictor.problem or "")
    server.ready = True
    assert outcomes(predictor.predict_each(images(1))) == ["answered"]


@pytest.mark.parametrize("status", ["INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED", "INTERNAL"])
def test_a_refusal_is_told_and_proves_nothing(server: GrpcModelServer, status: str) -> None:
    server.spoil = lambda call, *_: call.abort(grpc.StatusCode[status], "shape")
    predictor = over_grpc(server.url)
    assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
    assert f"ModelInfer: {status}: shape" in (predictor.problem or "")


def test_a_server_that_speaks_http_alone_is_away() -> None:
    with serving(FakeNetworks()) as http:
        predictor = over_grpc(http.url, seconds=5)
        assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
        assert predictor.problem


def test_a_port_that_says_nothing_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        predictor = over_grpc(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=1)
        assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
        assert "nothing answers there (Deadline Exceeded" in (predictor.problem or "")


# --- images that break servers


def test_an_image_that_always_ends_the_connection_fails_as_poison_and_harms_no_other(
    server: GrpcModelServer,
) -> None:
    def spoil(call: Any, answer: Any, outputs: dict[str, Any]) -> bool:
        if "activation" in outputs and np.isclose(outputs["activation"], -0.5, atol=1e-4).any():
            ended = threading.Event()
            call.add_callback(ended.set)
            server.restart()
            ended.wait(60)  # else the answer may leave before the connection is cut
        return False

    predictor = over_grpc(server.url)
    server.spoil = spoil
    for _ in range(STRIKES):
        assert outcomes(predictor.predict_each(images(3))) == ["Retry", *["answered"] * 2]
    poison, *others = predictor.predict_each(images(3))
    assert outcomes(others) == ["answered"] * 2
    assert isinstance(poison, Reject)
    assert poison.reason is Reason.POISON


# --- servers that lie


def silent(call: Any, *_: Any) -> bool:
    ended = threading.Event()
    call.add_callback(ended.set)
    ended.wait(60)
    return False


def compressed(call: Any, *_: Any) -> bytes:
    call.set_compression(grpc.Compression.Gzip)
    return bytes(100_000_000)


def sends(content: bytes) -> Any:
    return lambda *_: content


LIES = {
    "silence": silent,
    "too large an answer": sends(bytes(50_000_000)),
    "too large an answer once it is unpacked": compressed,
    "no message": sends(b"\xff" * 100),
    "no UTF-8": sends(field(1, b"\xff\xfe")),
    "an empty answer": sends(b""),
    "no outputs": lambda call, answer, outputs: outputs.clear() or False,
    "another number of contents than of outputs": changes(more=b"more"),
    "a wrong id": changes(id="1"),
    "no id": changes(id=None),
    "another type": changes(datatype="FP64"),
    "another model's name": changes(model_name="cxr"),
    "another version": changes(model_version="2"),
    "an answer too few": cuts,
    "other shapes": reshapes,
    "other images' answers": turns,
    "another model's answers": other_model,
    "a refusal": lambda call, *_: call.abort(grpc.StatusCode.INVALID_ARGUMENT, "shape"),
}


SEEN_BY_OTHER_TESTS = (
    LIES["another version"],
    turns,
)  # the same lie each time: version 2, and images one place on
LIES_FROM_THE_START = {name: lie for name, lie in LIES.items() if lie not in SEEN_BY_OTHER_TESTS}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_never_an_answer(server: GrpcModelServer, lie: Any) -> None:
    predictor = over_grpc(server.url, seconds=5 if lie is silent else 60)
    predictor.check()
    lies_once_proven(server, predictor, lie)


@pytest.mark.parametrize("lie", LIES_FROM_THE_START.values(), ids=LIES_FROM_THE_START)
def test_a_server_that_lies_from_the_start_is_never_proven(server: GrpcModelServer, lie: Any) -> None:
    predictor = over_grpc(server.url, seconds=5 if lie is silent else 60)
    server.spoil = lie
    assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
    assert predictor.problem


def test_a_model_of_another_type_is_refused_by_its_metadata(server: GrpcModelServer) -> None:
    server.datatype = "FP16"
    predictor = over_grpc(server.url)
    assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
    assert "has image as FP16 [-1, 3, 224, 224], not FP32" in (predictor.problem or "")
    assert "ModelInfer" not in server.methods


# --- TLS and credentials


def test_tls_needs_the_authority_a_certificate_and_the_token(authority: Authority) -> None:
    named = authority.sign("model server")
    pair = [(named.key.read_bytes(), named.certificate.read_bytes())]
    tls = {
        "private_key_certificate_chain_pairs": pair,
        "root_certificates": authority.ca.read_bytes(),
        "require_client_auth": True,
    }
    with serving_grpc(FakeNetworks(), **tls) as server:
        server.token = "a token of the server"

        def asked(said: str = "a token of the server", **credentials: Any) -> RemotePredictor:
            predictor = over_grpc(server.url, bearer_token=SecretStr(said), **credentials)
            predictor.look_after()
            return predictor

        ours = authority.sign("gateway")
        files = {"certificate": ours.certificate, "key": ours.key}
        assert "CERTIFICATE_VERIFY_FAILED" in (asked(**files).problem or "")
        assert asked(ca=authority.ca).problem
        told = asked("another token", ca=authority.ca, **files).problem or ""
        assert "UNAUTHENTICATED: who are you?" in told
        assert asked(ca=authority.ca, **files).problem is None
        assert "cannot be used" in (asked(ca=authority.ca, certificate=ours.key, key=ours.key).problem or "")

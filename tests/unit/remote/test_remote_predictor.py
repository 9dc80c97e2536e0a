"""A model at servers: what they answer counts once it is proven, and images wait or fail as they deserve."""

# ruff: noqa: ARG001 - what spoils answers has one signature

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gateway.errors import Reject, Retry
from gateway.records import Reason
from gateway.remote import replica
from gateway.remote.predictor import RemotePredictor
from gateway.remote.suspects import STRIKES
from tests.support.certificates import Authority
from tests.support.free_ports import free_port
from tests.support.model_server import FakeNetworks, Handler, ModelServer, serving
from tests.unit.remote.lies import changes, cuts, lies_once_proven, other_model, reshapes, turns
from tests.unit.remote.remote_model import images, local, outcomes, predictor_of


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving(FakeNetworks()) as running:
        yield running


@pytest.mark.parametrize("binary", [True, False])
def test_answers_are_those_of_the_networks_in_binary_and_in_json(server: ModelServer, binary: bool) -> None:
    server.binary = binary
    predictor = predictor_of(server.url)
    found = predictor.predict(images(3))
    assert [each.score for each in found] == pytest.approx(local(images(3)), abs=1e-6)
    assert {path for path, _ in server.requests} == {
        "/v2/models/cxr-classifier/infer",
        "/v2/models/cxr-lungs/infer",
    }
    assert [asked for _, asked in server.requests[-2:]] == [binary, binary]
    assert len(set(server.ids)) == len(server.ids)


def test_the_identity_names_program_server_and_precision(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    assert predictor.identity.engine == "model server float32"
    (prediction,) = predictor.predict(images(1))
    assert prediction.model.engine == predictor.identity.engine == "test-server 9.1 (test) float32"


def test_every_request_holds_a_reference_image_more(server: ModelServer) -> None:
    predictor = predictor_of(server.url, per_request=3)
    predictor.check()
    server.networks.passes.clear()
    predictor.predict(images(7))
    assert sorted(server.networks.passes) == [2, 4, 4]


def test_a_batch_is_shared_among_servers_within_the_limit(server: ModelServer) -> None:
    at_once, most = [0], [0]
    lock = threading.Lock()

    def watched(networks: FakeNetworks, given: Any, run: Any) -> Any:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        try:
            time.sleep(0.05)  # of work
            return run(given)
        finally:
            with lock:
                at_once[0] -= 1

    server.networks.run = lambda given, run=server.networks.run: watched(server.networks, given, run)
    with serving(FakeNetworks()) as other:
        predictor = predictor_of(server.url, other.url, per_request=1)
        predictor.look_after()
        found = predictor.predict(images(12))
        assert [each.score for each in found] == pytest.approx(local(images(12)), abs=1e-6)
        assert most[0] <= 2
        assert other.networks.passes


# --- a server that is away


def test_images_wait_for_a_server_that_is_away() -> None:
    predictor = predictor_of(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Retry, match="nothing answers there"):
        predictor.check()
    assert outcomes(predictor.predict_each(images(3))) == ["Retry"] * 3
    assert "no model server answers" in (predictor.problem or "")


def test_a_server_that_comes_back_is_proven_before_it_answers() -> None:
    with serving(FakeNetworks()) as first:
        predictor = predictor_of(first.url)
        predictor.predict(images(1))
        port = first.server_address[1]
    assert outcomes(predictor.predict_each(images(2))) == ["Retry"] * 2
    with serving(FakeNetworks(shift=0.01), port=port):  # another model, by so little
        assert outcomes(predictor.predict_each(images(2))) == ["Retry"] * 2
        assert "differs from the reference answers" in (predictor.problem or "")
    with serving(FakeNetworks(), port=port):
        assert outcomes(predictor.predict_each(images(2))) == ["answered"] * 2
        assert predictor.problem is None


def test_while_one_server_rests_the_other_answers(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "FIRST_REST_SECONDS", 60.0)
    away = f"http://127.0.0.1:{free_port()}"
    predictor = predictor_of(away, server.url)
    for _ in range(3):
        assert outcomes(predictor.predict_each(images(4))) == ["answered"] * 4
    assert predictor.problem is None
    assert [(url, bool(engine)) for url, engine, _ in predictor.servers()] == [
        (away, False),
        (server.url, True),
    ]


def test_a_server_whose_proof_takes_long_holds_up_no_image_that_another_answers(server: ModelServer) -> None:
    asked, ends = threading.Event(), threading.Event()

    def hangs(handler: Handler, *_: Any) -> bool:
        asked.set()
        return bool(ends.wait())

    with serving(FakeNetworks()) as silent:
        silent.spoil = hangs
        predictor = predictor_of(silent.url, server.url)
        predictor._replicas[1].look_after()
        assert outcomes(predictor.predict_each(images(4))) == ["answered"] * 4
        assert asked.wait(60)
        assert predictor.servers()[0][2] == "it was not asked yet"
        ends.set()


def test_a_server_that_rests_is_not_asked(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "FIRST_REST_SECONDS", 60.0)
    server.spoil = lambda handler, *_: handler.send(500, {"error": "no memory"}) or True
    predictor = predictor_of(server.url)
    for _ in range(5):
        with pytest.raises(Retry, match="no memory"):
            predictor.check()
    assert len(server.requests) == 2  # of the first proof, in binary and in JSON


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_not_the_images_fault(server: ModelServer, status: int) -> None:
    predictor = predictor_of(server.url)
    predictor.check()
    server.spoil = lambda handler, *_: handler.send(status, {"error": "later"}) or True
    for _ in range(2 * STRIKES):
        assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
    server.spoil = None
    assert outcomes(predictor.predict_each(images(1))) == ["answered"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_too_busy_to_describe_itself_keeps_its_proof(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(replica, "FIRST_REST_SECONDS", 0.0)
    predictor = predictor_of(server.url)
    predictor.check()
    monkeypatch.setattr(Handler, "do_GET", lambda handler: handler.send(status, {"error": "later"}))
    predictor.look_after()
    assert f"{status}" in predictor.servers()[0][2]
    assert outcomes(predictor.predict_each(images(1))) == ["answered"]


# --- images that break servers


def breaks(brightness: float, how: Any) -> Any:
    """Return what spoils the answer to every request with an image of this brightness."""

    def spoil(handler: Handler, answer: Any, outputs: dict[str, Any]) -> bool:
        if (
            "activation" in outputs
            and np.isclose(outputs["activation"][:, 0, 0], brightness, atol=1e-4).any()
        ):
            return how(handler, outputs)
        return False

    return spoil


def dies(handler: Handler, _: Any) -> bool:
    handler.close_connection = True
    handler.connection.close()
    return True


def test_an_image_that_always_breaks_the_server_is_tried_alone_and_then_fails_as_poison(
    server: ModelServer,
) -> None:
    predictor = predictor_of(server.url)
    server.spoil = breaks(-0.5, dies)
    for _ in range(STRIKES):
        assert outcomes(predictor.predict_each(images(4))) == ["Retry", *["answered"] * 3]
    *others, poison = sorted(predictor.predict_each(images(4)), key=lambda each: isinstance(each, Reject))
    assert outcomes(others) == ["answered"] * 3
    assert isinstance(poison, Reject)
    assert poison.reason is Reason.POISON
    with pytest.raises(Reject):
        predictor.predict(images(4)[:1])


def test_a_poison_image_that_is_alone_fails_too(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    server.spoil = breaks(-0.5, lambda handler, _: handler.send(500, {"error": "broken"}) or True)
    found = [outcomes(predictor.predict_each(images(1)))[0] for _ in range(STRIKES + 1)]
    assert found == ["Retry"] * STRIKES + ["Reject"]


def test_a_server_that_answers_the_reference_and_no_image_makes_no_image_fail(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    reference = {4, 8}  # images of a proof

    def spoil(handler: Handler, answer: Any, outputs: dict[str, Any]) -> bool:
        return len(next(iter(outputs.values()))) not in reference and dies(handler, None)

    server.spoil = spoil
    for _ in range(2 * STRIKES):
        assert outcomes(predictor.predict_each(images(2))) == ["Retry"] * 2
    server.spoil = None
    assert outcomes(predictor.predict_each(images(2))) == ["answered"] * 2


def test_an_image_that_is_answered_once_is_no_longer_suspected(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    for _ in range(3):
        server.spoil = breaks(-0.5, dies)
        for _ in range(STRIKES - 1):
            assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
        server.spoil = None
        assert outcomes(predictor.predict_each(images(1))) == ["answered"]


def no_number(handler: Handler, outputs: dict[str, Any]) -> bool:
    guilty = np.isclose(outputs["activation"][:, 0, 0], -0.5, atol=1e-4)
    outputs["activation"] = np.where(guilty[:, None, None], np.float32(np.nan), outputs["activation"])
    return False


def test_an_output_that_is_never_a_number_fails_its_image_and_harms_no_other(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    server.spoil = breaks(-0.5, no_number)
    for _ in range(STRIKES):
        told = predictor.predict_each(images(4))
        assert outcomes(told) == ["Retry", *["answered"] * 3]
        assert "is not a number" in str(told[0])
    assert outcomes(predictor.predict_each(images(4))) == ["Reject", *["answered"] * 3]


def test_where_one_server_has_no_number_another_answers_and_the_first_is_named(server: ModelServer) -> None:
    with serving(FakeNetworks()) as other:
        predictor = predictor_of(server.url, other.url)
        predictor.look_after()
        server.spoil = breaks(-0.5, no_number)
        assert outcomes(predictor.predict_each(images(4))) == ["answered"] * 4
    assert "is not a number; another server has one" in predictor.servers()[0][2]


# --- servers that lie


def endless(handler: Handler, *_: Any) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        return True


def slow(handler: Handler, *_: Any) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"{")
            time.sleep(0.02)
    except OSError:
        return True


def with_headers(**headers: str) -> Any:
    def spoil(handler: Handler, answer: Any, outputs: Any) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.send_bytes(200, b'{"outputs": []}', named)
        return True

    return spoil


def sends(body: bytes) -> Any:
    return lambda handler, *_: handler.send_bytes(200, body, {"Content-Type": "application/json"}) or True


LIES = {
    "an endless answer": endless,
    "slow bytes": slow,
    "no media type": with_headers(),
    "a page": with_headers(Content_Type="text/html"),
    "a wrong length": with_headers(Content_Type="application/json", Inference_Header_Content_Length="99999"),
    "a negative length": with_headers(Content_Type="application/json", Inference_Header_Content_Length="-1"),
    "no JSON": sends(b"{"),
    "a deep nest": sends(b"[" * 60_000),
    "a list": sends(b"[1]"),
    "no outputs": sends(b'{"outputs": {}}'),
    "a wrong id": changes(id="1"),
    "no id": changes(id=None),
    "another model's name": changes(model_name="cxr"),
    "another version": changes(model_version="2"),
    "an answer too few": cuts,
    "other shapes": reshapes,
    "other images' answers": turns,
    "another model's answers": other_model,
    "a redirect": lambda handler, *_: handler.send_bytes(302, b"", {"Location": "http://127.0.0.1/"}) or True,
    "a refusal": lambda handler, *_: handler.send(400, {"error": "shape"}) or True,
}


SEEN_BY_OTHER_TESTS = (
    LIES["another version"],
    turns,
)  # the same lie each time: version 2, and images one place on
LIES_FROM_THE_START = {name: lie for name, lie in LIES.items() if lie not in SEEN_BY_OTHER_TESTS}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_never_an_answer(server: ModelServer, lie: Any) -> None:
    predictor = predictor_of(server.url, seconds=5 if lie is slow else 60)
    predictor.check()
    lies_once_proven(server, predictor, lie)


@pytest.mark.parametrize("lie", LIES_FROM_THE_START.values(), ids=LIES_FROM_THE_START)
def test_a_server_that_lies_from_the_start_is_never_proven(server: ModelServer, lie: Any) -> None:
    predictor = predictor_of(server.url, seconds=5 if lie is slow else 60)
    server.spoil = lie
    assert outcomes(predictor.predict_each(images(1))) == ["Retry"]
    assert predictor.problem


def test_a_new_version_is_proven_and_answers(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    predictor.predict(images(1))
    passes = len(server.networks.passes)
    server.version = "2"
    assert outcomes(predictor.predict_each(images(2))) == ["answered"] * 2
    assert server.networks.passes[passes:] == [4, 3]  # the reference images, then the two and one of these


def test_a_new_version_with_another_model_answers_nothing(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    predictor.predict(images(1))
    server.version, server.networks = "2", FakeNetworks(shift=0.01)
    assert outcomes(predictor.predict_each(images(2))) == ["Retry"] * 2
    assert "differs from the reference answers" in (predictor.problem or "")


def test_a_probability_that_differs_by_more_than_the_bound_is_refused() -> None:
    """Log-odds may differ by 0.001, a probability by 0.0001: near a half that is the stricter bound."""
    with serving(FakeNetworks(shift=0.0009)) as server:
        assert outcomes(predictor_of(server.url).predict_each(images(1))) == ["Retry"]
    with serving(FakeNetworks(shift=0.0002)) as server:
        assert outcomes(predictor_of(server.url).predict_each(images(1))) == ["answered"]


def test_a_quiet_server_that_is_another_now_is_proven_again(server: ModelServer) -> None:
    predictor = predictor_of(server.url)
    predictor.look_after()
    server.networks = FakeNetworks(shift=0.01)
    predictor.look_after()
    assert predictor.problem is None  # it says the same of itself, and no image was sent
    server.version = "2"
    predictor.look_after()
    assert "differs from the reference answers" in (predictor.problem or "")


def test_a_busy_server_that_is_another_program_now_has_another_identity(server: ModelServer) -> None:
    """A proxy may hide that the server behind it was restarted as another version."""
    predictor = predictor_of(server.url)
    predictor.predict(images(1))
    server.program = "9.2"
    predictor.predict(images(1))
    predictor.look_after()
    (prediction,) = predictor.predict(images(1))
    assert prediction.model.engine == "test-server 9.2 (test) float32"


# --- TLS and credentials


def test_tls_needs_the_authority_and_the_token(authority: Authority) -> None:
    import ssl

    from pydantic import SecretStr

    certificate = authority.sign("model server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with serving(FakeNetworks(), context=context) as server:
        server.token = "a token of the server"

        def asked(**credentials: Any) -> RemotePredictor:
            predictor = predictor_of(server.url, **credentials)
            predictor.look_after()
            return predictor

        assert "certificate" in (asked(bearer_token=SecretStr(server.token)).problem or "")
        assert "401" in (asked(ca=authority.ca, bearer_token=SecretStr("another token")).problem or "")
        assert asked(ca=authority.ca, bearer_token=SecretStr(server.token)).problem is None

"""Delivery by STOW-RS to a server that takes, refuses, redirects, hangs up or is not there."""

import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.deliver.outcome import Verdict
from gateway.deliver.stow import StowClient
from gateway.settings import StowDestination
from gateway.store.entries import PendingDelivery
from tests.support.free_ports import free_port
from tests.support.pending import pending_object
from tests.wire.stow_server import STORES, Script, as_json, failed, say, stow_server, write

DELIVERED, LATER, NEVER, AWAY = Verdict.DELIVERED, Verdict.LATER, Verdict.NEVER, Verdict.AWAY


@pytest.fixture
def pending(tmp_path: Path) -> list[PendingDelivery]:
    """Two objects that wait for delivery."""
    return [pending_object(tmp_path, number, destination="web") for number in (1, 2)]


def destination(port: int, **changes: Any) -> StowDestination:
    url = f"http://127.0.0.1:{port}/dicom-web"
    return StowDestination(name="web", kind="stow", url=url, timeout_seconds=60, **changes)


def plain(status: int, *headers: str) -> Script:
    """An answer that says nothing but its status and these headers."""
    return say(status, b"words", "text/plain", *headers)


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (STORES, [DELIVERED, DELIVERED]),
        (plain(200), [LATER, AWAY]),
        (plain(202), [LATER, AWAY]),
        (plain(400), [NEVER, NEVER]),
        (plain(409), [NEVER, NEVER]),
        (plain(413), [NEVER, NEVER]),
        (plain(415), [NEVER, NEVER]),
        (plain(401), [AWAY, AWAY]),
        (plain(403), [AWAY, AWAY]),
        (plain(404), [AWAY, AWAY]),
        (plain(408), [AWAY, AWAY]),
        (plain(429), [AWAY, AWAY]),
        (plain(500), [LATER, AWAY]),
        (plain(503), [AWAY, AWAY]),
        (plain(302, "Location: /elsewhere"), [LATER, AWAY]),
        (write(), [LATER, AWAY]),
    ],
)
def test_an_answer_means(answer: Script, verdicts: list[Verdict], pending: list[PendingDelivery]) -> None:
    with stow_server(answer) as server:
        outcomes = list(StowClient(destination(server.port)).deliver(pending))
    assert [outcome.verdict for outcome in outcomes] == verdicts, outcomes


@pytest.mark.parametrize("media_type", ["application/dicom+json", "application/dicom+json; charset=utf-8"])
@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize(
    ("reason", "verdict"), [(0xA700, LATER), (0x0110, LATER), (0xC123, NEVER), (0xA900, NEVER), (None, NEVER)]
)
def test_a_failure_reason_means_what_a_c_store_status_does(
    reason: int | None, verdict: Verdict, status: int, media_type: str, pending: list[PendingDelivery]
) -> None:
    first, second = pending
    refusal = say(status, as_json(failed(first.sop_instance_uid, reason)), media_type)
    with stow_server(refusal, STORES) as server:
        outcomes = list(StowClient(destination(server.port)).deliver([first, second]))
    assert [outcome.verdict for outcome in outcomes] == [verdict, DELIVERED], outcomes


def test_a_server_says_for_how_long_it_is_left_alone(pending: list[PendingDelivery]) -> None:
    with stow_server(plain(503, "Retry-After: 120")) as server:
        outcomes = list(StowClient(destination(server.port)).deliver(pending))
    assert [(each.verdict, each.retry_after) for each in outcomes] == [(AWAY, 120), (AWAY, 120)]


def test_nobody_there_is_away(pending: list[PendingDelivery]) -> None:
    outcomes = list(StowClient(destination(free_port())).deliver(pending))
    assert [outcome.verdict for outcome in outcomes] == [AWAY, AWAY]


def test_no_answer_in_time_is_for_later_and_ends_the_round(pending: list[PendingDelivery]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        patience = destination(port).model_copy(update={"timeout_seconds": 0.2})
        outcomes = list(StowClient(patience).deliver(pending))
    assert [outcome.verdict for outcome in outcomes] == [LATER, AWAY]


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"bearer_token": "abc"}, "Bearer abc"),
        ({}, None),
    ],
)
def test_credentials_are_sent(
    credentials: dict[str, str], expected: str | None, pending: list[PendingDelivery]
) -> None:
    with stow_server(STORES) as server:
        list(StowClient(destination(server.port, **credentials)).deliver(pending))
    assert [request.header("Authorization") for request in server.posts] == [expected] * 2


def test_the_bytes_are_sent_as_they_are(pending: list[PendingDelivery]) -> None:
    with stow_server(STORES) as server:
        list(StowClient(destination(server.port)).deliver(pending))
    assert all(d.path.read_bytes() in post.body for d, post in zip(pending, server.posts, strict=True))

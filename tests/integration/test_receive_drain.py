"""A receiver that stops lets associations go on while they send, and tells load balancers first."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.files.answering import Answering
from gateway.processes.receiver import _health_port
from gateway.receive.health import MOST_CONNECTIONS, HealthPort
from gateway.receive.port import ALONE
from gateway.settings import SCP
from gateway.store.ledger import Ledger
from gateway.store.spool import open_spool
from tests.support.database import database_in
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.receiving import Receiver, data_set_of, receiving
from tests.support.sockets import listens
from tests.support.sources import dx, encoded
from tests.wire import pdus
from tests.wire.requestor import Requestor, Response

SUCCESS = Response(0x0000, "")
LONG_SECONDS = 2 * PATIENCE_SECONDS  # a stop that took so long would hang


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(int).result()  # its thread is no receiver's
        yield threads


def stop(
    receiver: Receiver, pool: ThreadPoolExecutor, seconds: float, silence_seconds: float = LONG_SECONDS
) -> Future[None]:
    """Begin to stop; return once new connections are refused."""
    address = receiver.address
    stopped = pool.submit(receiver.scp.stop, seconds, silence_seconds=silence_seconds)
    wait_for(lambda: not listens(*address))
    return stopped


def test_an_association_that_sends_is_finished(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    images = [dx(), dx()]
    with receiving(tmp_path) as receiver, Requestor(receiver.address) as peer:
        peer.associate(images[0].SOPClassUID)
        stopped = stop(receiver, pool, LONG_SECONDS)
        for image in images:
            data = data_set_of(encoded(image))
            assert peer.store(image.SOPClassUID, image.SOPInstanceUID, data) == SUCCESS
        assert not stopped.done()
        assert str(peer.release()) == "released"
        stopped.result(PATIENCE_SECONDS)
        assert len(receiver.rows()) == 2
        assert not receiver.events("association_aborted")


def test_a_silent_association_holds_nothing_up(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with receiving(tmp_path) as receiver, Requestor(receiver.address) as peer:
        peer.associate(pdus.VERIFICATION.decode())
        stopped = stop(receiver, pool, LONG_SECONDS, silence_seconds=0.2)
        assert str(peer.hear()).startswith("aborted")
        stopped.result(PATIENCE_SECONDS)


def test_an_association_that_never_ends_is_aborted_at_the_limit(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    with receiving(tmp_path) as receiver, Requestor(receiver.address) as peer:
        peer.associate(pdus.VERIFICATION.decode())
        answers = iter(lambda: peer.ask(1, pdus.c_echo_rq()), None)
        assert next(answers)
        stopped = stop(receiver, pool, 1.0)
        assert all(answers)  # until the association is aborted
        stopped.result(PATIENCE_SECONDS)


# --- the health port


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def health(problems: list[str]) -> Iterator[HealthPort]:
    port = HealthPort(SCP(port=0, health_port=0), lambda: problems[0] if problems else None)
    port.start()
    yield port
    port.stop()


def ask(port: HealthPort, path: str, method: str = "GET") -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(*port.address, timeout=PATIENCE_SECONDS)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body or b"{}")


def test_ready_until_it_leaves(health: HealthPort) -> None:
    assert ask(health, "/health/ready") == (HTTPStatus.OK, {"status": "ready"})
    assert ask(health, "/health/ready", "HEAD") == (HTTPStatus.OK, {})
    health.leave()
    told = {"status": "not ready", "detail": "draining"}
    assert ask(health, "/health/ready") == (HTTPStatus.SERVICE_UNAVAILABLE, told)
    assert ask(health, "/health/live") == (HTTPStatus.OK, {"status": "live"})


def test_not_ready_where_associations_are_not_taken(health: HealthPort, problems: list[str]) -> None:
    problems.append("less disk is free than scp.reject_below_disk_mb")
    assert ask(health, "/health/ready")[1] == {"status": "not ready", "detail": problems[0]}


def test_not_ready_while_the_folder_of_images_is_away(tmp_path: Path) -> None:
    ledger = Ledger(engine := database_in(tmp_path), tmp_path)
    spool = open_spool(tmp_path / "spool", ledger)
    settings = SCP(port=0, health_port=0, reject_below_disk_mb=0)
    port = _health_port(settings, spool, ledger, Answering(tmp_path), ALONE)
    assert port is not None
    assert port.why_not_ready() is None
    spool.root.rename(tmp_path / "away")
    assert "mount the right folder" in str(port.why_not_ready())
    (tmp_path / "away").rename(spool.root)
    assert port.why_not_ready() is None
    engine.dispose()


def test_nothing_else_is_there(health: HealthPort) -> None:
    assert ask(health, "/metrics")[0] == HTTPStatus.NOT_FOUND
    assert ask(health, "/health/ready", "POST")[0] == HTTPStatus.NOT_IMPLEMENTED


def test_connections_that_say_nothing_leave_room_for_others(health: HealthPort) -> None:
    with ExitStack() as opened:
        for number in range(3 * MOST_CONNECTIONS):
            silent = opened.enter_context(socket.create_connection(health.address))
            silent.sendall(b"GET /health/ready HTTP/1.0\r\nX: "[: number % 30])
        assert ask(health, "/health/ready")[0] == HTTPStatus.OK


def test_a_health_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"scp.health_port: cannot listen on 127.0.0.1:{port} "):
            HealthPort(SCP(port=0, health_port=port), lambda: None).start()

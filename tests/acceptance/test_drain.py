"""A gateway that is told to end drains: not ready, no new connections, associations finished, status 0."""

from __future__ import annotations

import socket
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

from gateway.processes.notify import READY, STOPPING
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.receiving import data_set_of
from tests.support.sockets import listens
from tests.support.sources import dx, encoded
from tests.wire import pdus
from tests.wire.requestor import Requestor, Response

SUCCESS = Response(0x0000, "")
SCP: dict[str, Any] = {"health_port": 0, "drain_notice_seconds": 5}


def status_of(port: int) -> int | None:
    """Return the status of /health/ready; None where nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def ports(gateway: GatewayProcess) -> tuple[int, int]:
    """Return the health port of the receiver and the port of the pages."""
    started = wait_for(lambda: [event for event in gateway.events("started") if "url" in event])
    (receiver,) = [event for event in gateway.events("started") if "health_port" in event]
    return int(receiver["health_port"]), int(started[0]["url"].rpartition(":")[2].rstrip("/"))


def test_a_gateway_drains(tmp_path: Path) -> None:
    image = dx()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # as systemd's
    manager.bind(str(tmp_path / "notify"))
    web, environment = {"enabled": True, "port": 0}, {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with running(tmp_path, doubles=["instant"], scp=SCP, web=web, environment=environment) as gateway:
        wait_for(lambda: READY in heard(manager))
        health, pages = ports(gateway)
        address = (gateway.node.host, gateway.node.port)
        wait_for(lambda: status_of(health) == status_of(pages) == 200)
        with Requestor(address) as peer:
            assert str(peer.associate(image.SOPClassUID, pdus.VERIFICATION.decode())) == "accepted"
            stopping = Thread(target=gateway.stop)
            stopping.start()
            wait_for(lambda: status_of(health) == 503)
            with Requestor(address) as late:  # within the notice: a load balancer may not know it yet
                assert str(late.associate(pdus.VERIFICATION.decode())) == "accepted"
                late.release()

            def leaves() -> bool:
                """The peer asks without a pause: an association that is idle is ended after the notice."""
                is_served = peer.ask(3, pdus.c_echo_rq()) == SUCCESS
                return is_served and status_of(pages) == 503 and not listens(*address)

            wait_for(leaves)
            assert status_of(health) == 503
            data = data_set_of(encoded(image))
            assert peer.store(image.SOPClassUID, image.SOPInstanceUID, data) == SUCCESS
            assert str(peer.release()) == "released"
            stopping.join(PATIENCE_SECONDS)
        assert gateway.process.returncode == 0
        assert heard(manager)[-1] == STOPPING
        assert status_of(health) is None
        assert status_of(pages) is None
        assert not gateway.events("association_aborted")
        manager.close()
        assert "Traceback" not in gateway.stderr()
        assert [each["sop_instance_uid"] for each in gateway.images()] == [image.SOPInstanceUID]


def heard(manager: socket.socket) -> list[str]:
    """Return what the gateway has told since."""
    manager.settimeout(0.01)
    told: list[str] = []
    with suppress(TimeoutError):
        while True:
            told.append(manager.recv(4096).decode())
    return told

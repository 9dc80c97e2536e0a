"""A process at its limit of open files: health checks are answered, and at once."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.receive.health import HealthPort
from gateway.settings import SCP
from gateway.web.serving import WebServer
from tests.support.descriptors import none_left
from tests.support.site import site_in


class _Client(HTTPConnection):
    """A client in the same process, which has made its socket before descriptors lack."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.made = socket.socket()

    def connect(self) -> None:
        self.made.connect((self.host, self.port))
        self.sock = self.made


def _ask(host: str, port: int, path: str) -> tuple[int, bytes]:
    client = _Client(host, port)
    try:
        with none_left():
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.read()
    finally:
        client.close()


@pytest.mark.parametrize("path", ["/health/ready", "/worklist"])
def test_the_web_port_says_that_it_is_not_ready(tmp_path: Path, path: str) -> None:
    server = WebServer(site_in(tmp_path, public_upload=False))
    server.start()
    try:
        where = urlsplit(server.url)
        status, body = _ask(str(where.hostname), int(where.port or 0), path)
    finally:
        server.stop(10)
    assert status == 503
    assert b"Too many open files" in body


def test_the_health_port_answers() -> None:
    port = HealthPort(SCP(port=0, health_port=0, bind="127.0.0.1"), lambda: None)
    port.start()
    try:
        status, body = _ask(*port.address, "/health/ready")
    finally:
        port.stop()
    assert (status, json.loads(body)) == (200, {"status": "ready"})

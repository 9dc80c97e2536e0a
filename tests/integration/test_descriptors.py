"""A process at its limit of open files: health checks are answered, and at once."""

from __future__ import annotations

import errno
import json
import os
import socket
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest

from gateway.receive.health import HealthPort
from gateway.settings import SCP
from gateway.store.queries.worklist import Worklist
from gateway.web.serving import WebServer
from tests.support.descriptors import none_left
from tests.support.gateway_process import wait_for
from tests.support.site import browsing, site_in


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


def test_the_web_port_says_that_it_is_not_ready(tmp_path: Path) -> None:
    folders = (tmp_path / str(number) for number in count())
    wait_for(lambda: _says_why(next(folders)))  # another thread may have closed a file: then one is free


def _says_why(folder: Path) -> bool:
    folder.mkdir()
    server = WebServer(site_in(folder, public_upload=False))
    server.start()
    try:
        where = urlsplit(server.url)
        status, body = _ask(str(where.hostname), int(where.port or 0), "/health/ready")
    finally:
        server.stop(10)
    assert status == 503
    return b"Too many open files" in body


@pytest.mark.parametrize(("error", "status"), [(errno.EMFILE, 503), (errno.ENOMEM, 503), (errno.EIO, 500)])
def test_a_page_for_which_no_descriptor_is_left_is_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, status: int
) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(Worklist, "page", fail)
    with browsing(site_in(tmp_path)) as browser:
        assert browser.get("/worklist").status_code == status


def test_the_health_port_answers() -> None:
    port = HealthPort(SCP(port=0, health_port=0, bind="127.0.0.1"), lambda: None)
    port.start()
    try:
        status, body = _ask(*port.address, "/health/ready")
    finally:
        port.stop()
    assert (status, json.loads(body)) == (200, {"status": "ready"})

"""moto's S3 server as a process of its own, on any free port; it can be killed in the middle of a request."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.free_ports import free_port
from tests.support.gateway_process import wait_for

MOTO_PYTHON = Path(__file__).parents[2] / "build" / "s3-peer" / "bin" / "python"
"""Where `tests/peers/install.sh` puts moto."""

HOST = "127.0.0.1"
KEY = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}  # it takes any


class MotoServer:
    """One server; what it keeps is lost with it."""

    def __init__(self, *buckets: str) -> None:
        self._buckets = buckets
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it on the same port as before, with empty buckets."""
        command = [str(MOTO_PYTHON), "-m", "moto.server", "-H", HOST, "-p", str(self.port)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, env=os.environ | KEY, stdout=quiet, stderr=quiet)
        wait_for(lambda: self.answers or self._process.poll() is not None)
        assert self._process.poll() is None, "moto's server has ended"
        for bucket in self._buckets:
            requests.put(f"{self.url}/{bucket}", timeout=60).raise_for_status()

    @property
    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/moto-api/", timeout=60).ok
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        """End it at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)


@contextmanager
def moto_server(*buckets: str) -> Iterator[MotoServer]:
    """Run a server for the length of a block."""
    server = MotoServer(*buckets)
    server.start()
    try:
        yield server
    finally:
        server.kill()

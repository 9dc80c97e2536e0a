"""An S3 server on a host of its own, by the command that the caller names; nothing but its cable fails.

Servers of tests keep their objects in memory: killed, they would lose what a real one keeps.
"""

from __future__ import annotations

import os
import shlex
import time
from http.client import HTTPConnection
from pathlib import Path

from gateway.errors import GatewayError
from gateway.proof.cluster.host import Host, Program
from gateway.settings import S3Store

PORT = 9000
BUCKET = "images"
_KEY = "prove-prove"  # of a server that nobody else reaches
_WAIT_SECONDS = 120.0


class ObjectStore:
    """The server.

    Parameters
    ----------
    command
        Runs the server; {host} and {port} in it stand for its address.
    """

    def __init__(self, folder: Path, host: Host, command: str) -> None:
        self._host = host
        self._log = folder / "s3.log"
        self._command = shlex.split(command.format(host=host.address, port=PORT))

    @property
    def settings(self) -> S3Store:
        """The setting `store`."""
        keys = {"access_key_id": _KEY, "secret_access_key": _KEY}
        return S3Store(kind="s3", bucket=BUCKET, endpoint=f"http://{self._host.address}:{PORT}", **keys)

    def start(self) -> None:
        """Start it; return once it has its bucket."""
        self._host.run("s3", Program(self._command, os.environ, self._log))
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self._has_bucket():
            if time.monotonic() > deadline:
                raise GatewayError(f"--s3: the server does not take a bucket: see {self._log}")
            time.sleep(0.2)

    def _has_bucket(self) -> bool:
        connection = HTTPConnection(self._host.address, PORT, timeout=10)
        try:
            connection.request("PUT", f"/{BUCKET}", headers={"Content-Length": "0"})
            return connection.getresponse().status < 300
        except OSError:
            return False
        finally:
            connection.close()

"""An S3 server by the command that the caller names; `conduct` and `cluster.site` run it.

Servers of tests keep their objects in memory: killed, they would lose what a real one keeps. Nothing kills
this one.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError, GatewayError
from gateway.settings import S3Store, Settings

BUCKET = "images"
_KEY = "prove-prove"  # of a server that nobody else reaches
_WAIT_SECONDS = 120.0
_END_SECONDS = 10.0


class ObjectStore:
    """The server.

    Parameters
    ----------
    command
        Runs the server; {host} and {port} in it stand for its address.
    log
        File for its output.

    Raises
    ------
    ConfigurationError
        If the command has no place for host or port.
    """

    def __init__(self, command: str, host: str, port: int, log: Path) -> None:
        if "{host}" not in command or "{port}" not in command:
            raise ConfigurationError(
                "--s3: the command needs {host} and {port}, as 'SERVER -H {host} -p {port}'"
            )
        self.command = shlex.split(command.replace("{host}", host).replace("{port}", str(port)))
        self.log = log
        self._host = host
        self._port = port

    @property
    def settings(self) -> S3Store:
        """The setting `store`."""
        keys = {"access_key_id": _KEY, "secret_access_key": _KEY}
        return S3Store(kind="s3", bucket=BUCKET, endpoint=f"http://{self._host}:{self._port}", **keys)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server on this machine for the length of a block; it has its bucket then."""
        with self.log.open("ab") as log:
            try:
                process = subprocess.Popen(self.command, stdout=log, stderr=log, env=os.environ)
            except OSError as error:
                raise ConfigurationError(f"--s3: {self.command[0]}: {error.strerror}") from None
        try:
            self.wait()
            yield
        finally:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait(self) -> None:
        """Return once the server has its bucket; `GatewayError` if it does not take it in time."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self._has_bucket():
            if time.monotonic() > deadline:
                raise GatewayError(f"--s3: the server does not take a bucket: see {self.log}")
            time.sleep(0.2)

    def _has_bucket(self) -> bool:
        connection = HTTPConnection(self._host, self._port, timeout=10)
        try:
            connection.request("PUT", f"/{BUCKET}", headers={"Content-Length": "0"})
            return connection.getresponse().status < 300
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def as_yaml(settings: Settings) -> dict[str, Any]:
    """Return settings as a file has them, the keys of the store in clear."""
    values: dict[str, Any] = settings.model_dump(mode="json")
    if isinstance(settings.store, S3Store):
        values["store"] |= {"access_key_id": _KEY, "secret_access_key": _KEY}
    return values

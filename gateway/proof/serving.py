"""The gateway under proof: `gateway serve` with armed roles, restarted after kills. `conduct` runs it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import GatewayError
from gateway.proof.injection import ORDERS, OVER_S3, kill
from gateway.proof.object_store import as_yaml
from gateway.proof.plan import ALL, DATABASE
from gateway.proof.server import PostgresServer
from gateway.settings import Settings

ARMED = Path(__file__).parent / "armed"
PORTS = range(20_000, 32_000)  # below ephemeral ports: the port stays free while the gateway is down
STOP_SECONDS = 90
LOOK_SECONDS = 0.1
NO_DATABASE = 2  # exit status of a gateway that starts without its database


class Serving:
    """One gateway process with its roles.

    Parameters
    ----------
    settings
        Complete settings; the caller's environment variables are not passed on.
    folder
        Folder for the settings file and the standard error.
    orders
        Folder of the orders to kill.
    server
        Database server, where it is killed, too.
    """

    def __init__(
        self, settings: Settings, folder: Path, orders: Path, server: PostgresServer | None = None
    ) -> None:
        self._server = server
        self._log = settings.directory.log
        self._stderr = folder / "stderr.txt"
        file = folder / "gateway.yaml"
        file.write_text(yaml.safe_dump(as_yaml(settings)))
        self._command = [sys.executable, "-m", "gateway", "serve", "--config", str(file)]
        own = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        path = os.pathsep.join([str(ARMED), *filter(None, [own.get("PYTHONPATH")])])
        self._environment = own | {"PYTHONPATH": path, ORDERS: str(orders)}
        if settings.store.kind == "s3":
            self._environment[OVER_S3] = "1"
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start the gateway; return before it is ready."""
        self._times_ready_before = self._times_ready()
        with self._stderr.open("ab") as stderr:
            self._process = subprocess.Popen(self._command, stderr=stderr, env=self._environment)

    def kill(self, victim: str) -> bool:
        """Send SIGKILL to a role, the supervisor, all or the database; return False without a victim."""
        if victim == DATABASE:
            return self._server is not None and self._server.kill()
        return kill(self._process.pid, victim)

    def revive(self) -> None:
        """Restart the gateway if it was killed, or ended for want of a killed database.

        Raises
        ------
        GatewayError
            If the gateway ended by itself.
        """
        status = self._process.poll()
        if status == -signal.SIGKILL or (status == NO_DATABASE and self._server):
            self.start()
        elif status is not None:
            raise GatewayError(f"the gateway ended by itself with status {status}: see {self._stderr}")

    def stop(self) -> Sequence[str]:
        """Stop the gateway with SIGTERM; return a sentence where it ends with an error.

        A gateway that was started a moment ago is waited for: until it listens, the signal ends it like any
        other program.
        """
        self._wait_until_ready()
        self._process.terminate()
        status = self._process.wait(STOP_SECONDS)
        return [f"the gateway ended with status {status}"] if status else []

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + STOP_SECONDS
        while self._times_ready() == self._times_ready_before:
            if self._process.poll() is not None or time.monotonic() > until:
                return
            time.sleep(LOOK_SECONDS)

    def _times_ready(self) -> int:
        return self._log.read_text().count('"event": "ready"') if self._log.exists() else 0

    def end(self) -> None:
        """Kill all remaining processes."""
        if self._process.poll() is None:
            self.kill(ALL)
            self._process.wait()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events of the log."""
        for line in self._log.read_text().splitlines():
            yield json.loads(line)


def free_port(chance: random.Random) -> int:
    """Return a free port on loopback."""
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

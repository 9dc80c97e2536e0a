"""The real gateway as a process, started, killed and asked by the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from gateway.configuration.settings_file import load_settings
from gateway.deliver.send import Sent, send_files
from gateway.deliver.storage_scu import DicomNode
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.queries.document import row_document
from gateway.store.queries.images import Images

PATIENCE_SECONDS = 300.0  # a bound for what hangs, not a measurement: a loaded machine takes its time
ROOT = Path(__file__).parents[2]


class GatewayProcess:
    """`gateway serve` on a data directory of its own, on any free port.

    Parameters
    ----------
    folder
        For the settings, the data directory and the standard error.
    environment
        Added to this process's own.
    settings
        What differs from the defaults.
    """

    def __init__(self, folder: Path, *, environment: dict[str, str] | None = None, **settings: Any) -> None:
        self._environment = os.environ | (environment or {})
        self.data_dir = folder / "var"
        self._folder = folder
        self._config = folder / "gateway.yaml"
        scp = {"port": 0} | settings.pop("scp", {})
        web = {"enabled": False} | settings.pop("web", {})  # a second of starting that few tests need
        content = {"data_dir": str(self.data_dir), "scp": scp, "web": web}
        self._config.write_text(yaml.safe_dump(content | settings))
        self._starts = 0

    def start(self) -> None:
        """Start it, and return once it is ready."""
        ready_before = len(self.events("ready"))
        self._starts += 1
        with (self._folder / f"stderr-{self._starts}").open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve", "--config", str(self._config)],
                stderr=stderr,
                env=self._environment,
            )
        wait_for(lambda: len(self.events("ready")) > ready_before or self.process.poll() is not None)
        assert self.process.poll() is None, self.stderr()

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it and its roles as a power cut would."""
        for child in self.children():
            _kill(child)
        _kill(self.process.pid)
        self.process.wait(PATIENCE_SECONDS)

    def children(self) -> list[int]:
        """Return the process IDs of the roles."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]

    def role(self, name: str) -> int:
        """Return the process ID of the role `receive` or `work`."""
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in self.children()}
        return next(pid for pid, command in commands.items() if name in command)

    @property
    def node(self) -> DicomNode:
        """Where it listens now."""
        ready = self.events("ready")[-1]
        return DicomNode("CXR_GATEWAY", ready["host"], int(ready["port"]), "TESTS")

    def send(self, *files: Path) -> list[Sent]:
        """Send files by C-STORE over one association."""
        return list(send_files(files, self.node))

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's events of that name."""
        log = self.data_dir / "log" / "gateway.jsonl"
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        written = [line for line in lines if line.endswith("\n")]  # the last may be half there
        return [event for event in map(json.loads, written) if event["event"] == name]

    def ask(self, *arguments: str) -> Any:
        """Run a command that prints JSON."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def images(self, state: str | None = None) -> list[dict[str, Any]]:
        """Look into the ledger: what `gateway list --json` tells, cheap enough to be asked often."""
        settings = load_settings(self._config)
        engine = open_engine(settings.database_url)
        try:
            found = Images(Ledger(engine, settings.data_dir)).newest(limit=1000, state=state)
            return [row_document(image) for image in found]
        finally:
            engine.dispose()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `gateway` command with the same settings."""
        command = [sys.executable, "-m", "gateway", *arguments, "--config", str(self._config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)

    def stderr(self) -> str:
        """Return what the last start wrote there."""
        return (self._folder / f"stderr-{self._starts}").read_text()


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[GatewayProcess]:
    """Run a gateway for the length of a block."""
    gateway = GatewayProcess(folder, **settings)
    try:
        gateway.start()
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.kill()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the condition's first true value; fail loudly if none comes in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(0.05)
    return value


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return

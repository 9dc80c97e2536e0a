"""The real gateway as a process, started, killed and asked by the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
import yaml

from gateway.configuration.settings_file import load_settings
from gateway.files.lock import open_lock, try_lock
from gateway.requestor.send import Sent, send_files
from gateway.requestor.storage_scu import DicomNode
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.queries.document import image_document, row_document
from gateway.store.queries.images import Images
from tests.support.command_line import Done, run_command

PATIENCE_SECONDS = 300.0  # a bound for what hangs, not a measurement: a loaded machine takes its time
ROOT = Path(__file__).parents[2]
DOUBLES = Path(__file__).parent / "doubles"


class GatewayProcess:
    """`gateway serve` on a data directory of its own, on any free port.

    Parameters
    ----------
    folder
        For the settings, the data directory and the standard error.
    environment
        Added to this process's own.
    doubles
        Modules of `tests/support/doubles` in the place of parts of the gateway.
    settings
        What differs from the defaults.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: dict[str, str] | None = None,
        doubles: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        paths = [str(DOUBLES), str(ROOT), os.environ.get("PYTHONPATH")]  # doubles see the same tree
        python = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "DOUBLES": " ".join(doubles)}
        self._environment = os.environ | python | (environment or {})
        self.data_dir = folder / "var"
        self._folder = folder
        self._config = folder / "gateway.yaml"
        scp = {"port": 0} | settings.pop("scp", {})
        web = {"enabled": False} | settings.pop("web", {})  # a second of starting that few tests need
        self._settings = {"data_dir": str(self.data_dir), "scp": scp, "web": web}
        self._model = {"precision": "float32"} if "instant" in doubles else {}  # as the double is named
        self._starts = 0
        self._database: sa.Engine | None = None
        self._forgotten = 0  # bytes of the log, of earlier tests
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Change these settings, for the next start."""
        self._close_database()
        self._settings |= settings
        if self._model:
            self._settings["model"] = self._model | self._settings.get("model", {})
        self._config.write_text(yaml.safe_dump(self._settings))

    def start(self) -> None:
        """Start it, and return once it is ready."""
        ready_before = len(self.events("ready"))
        self._starts += 1
        with (self._folder / f"stderr-{self._starts}").open("wb") as stderr:
            self.process = subprocess.Popen(self._serve, stderr=stderr, env=self._environment)
        wait_for(lambda: len(self.events("ready")) > ready_before or self.process.poll() is not None)
        assert self.process.poll() is None, self.stderr()
        self._find_listener()

    def begin_test(self) -> Self:
        """Start it unless it runs, for another test of the same gateway; `events` tells of what comes now."""
        if self.runs:
            self._find_listener()
        else:
            self.start()
        self._forgotten = self._log.stat().st_size
        return self

    def _find_listener(self) -> None:
        """Note the port, which is another one for each start."""
        listening = [event for event in self._events("started") if "port" in event][-1]
        self.node = DicomNode("CXR_GATEWAY", listening["host"], int(listening["port"]), "TESTS")

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._starts > 0 and self.process.poll() is None

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self._close_database()
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it and its roles as a power cut would."""
        self._close_database()
        for child in self.children():
            _kill(child)
        _kill(self.process.pid)
        self.process.wait(PATIENCE_SECONDS)

    def children(self) -> list[int]:
        """Return the process IDs of the roles."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]

    def role(self, name: str) -> int:
        """Return the process ID of the role `receive` or `work`, of the first where there are several."""
        return int(wait_for(lambda: self.roles(name))[0])  # the kernel lists children without a lock

    def roles(self, name: str) -> list[int]:
        """Return the process IDs of all roles of that name."""
        return [pid for pid in self.children() if name in _command_of(pid)]

    def pause(self, role: str) -> int:
        """Stop the process of a role (SIGSTOP), but not amid its turn to write; return its process ID."""
        pid, turn = self.role(role), open_lock(self.data_dir / "gateway.sqlite-turn")

        def is_paused() -> bool:
            os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: thread_states(pid) == {"T"})
            if try_lock(turn):
                return True
            os.kill(pid, signal.SIGCONT)
            return False

        try:
            wait_for(is_paused)
        finally:
            os.close(turn)
        return pid

    def send(self, *files: Path, calling_ae_title: str = "TESTS") -> list[Sent]:
        """Send files by C-STORE over one association."""
        return list(send_files(files, replace(self.node, calling_ae_title=calling_ae_title)))

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's events of that name, since the test began."""
        return self._events(name, self._forgotten)

    def told(self, name: str, times: int = 1) -> list[dict[str, Any]]:
        """Return the events of that name once there are so many: each is logged after its row is there."""
        return list(wait_for(lambda: len(found := self.events(name)) >= times and found))

    def _events(self, name: str, start: int = 0) -> list[dict[str, Any]]:
        if not self._log.exists():
            return []
        with self._log.open("rb") as log:
            log.seek(start)
            whole = [line for line in log if line.endswith(b"\n")]  # the last may be half there
        likely = (json.loads(line) for line in whole if name.encode() in line)
        return [event for event in likely if event["event"] == name]

    @property
    def _log(self) -> Path:
        return self.data_dir / "log" / "gateway.jsonl"

    def ask(self, *arguments: str) -> Any:
        """Run a command that prints JSON."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def images(self, state: str | None = None) -> list[dict[str, Any]]:
        """Return what `gateway list --json` tells."""
        return [row_document(image) for image in self._images().newest(limit=1000, state=state)]

    def versions(self, sop_instance_uid: str) -> list[dict[str, Any]]:
        """Return what `gateway show --json` tells of an image."""
        return [image_document(version) for version in self._images().versions(sop_instance_uid)]

    def _images(self) -> Images:
        """Return the ledger's images; its database stays open until the gateway ends."""
        if self._database is None:
            self._database = open_engine(load_settings(self._config).database_url)
        return Images(Ledger(self._database, load_settings(self._config).directory.kept))

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.dispose()
            self._database = None

    def command(self, *arguments: str) -> Done:
        """Run a `gateway` command with the same settings."""
        return run_command(*arguments, "--config", self._config)

    def refusal(self) -> subprocess.CompletedProcess[str]:
        """Run `gateway serve` where it must not start, to its end."""
        return subprocess.run(
            self._serve, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )

    @property
    def _serve(self) -> list[str]:
        return [sys.executable, "-m", "gateway", "serve", "--config", str(self._config)]

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
        if gateway.runs:
            gateway.kill()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the condition's first true value; fail loudly if none comes in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        time.sleep(0.05)
    return value


def thread_states(pid: int) -> set[str]:
    """Return the states of a process's threads: `T` of those that are stopped."""
    return {
        path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")
    }


def _command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has ended meanwhile


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return

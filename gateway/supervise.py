"""`gateway serve`: every role as a process of its own, started again when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from gateway.errors import ConfigurationError
from gateway.log import log_event, open_log
from gateway.roles import READY, open_database, try_lock
from gateway.settings import Settings

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY_SECONDS = 60.0  # after so long a life the next start is not delayed further
LOCK_WAIT_SECONDS = 10.0
WRONG_CONFIGURATION = 2  # a role's exit status, which a restart would not mend


class Supervisor:
    """Runs the roles of one gateway on one machine.

    Parameters
    ----------
    arguments
        What the roles are started with beyond their name (`--config FILE`).
    """

    def __init__(self, settings: Settings, arguments: Sequence[str]) -> None:
        self._settings = settings
        self._arguments = list(arguments)
        self._stop = threading.Event()
        self._wrong = threading.Event()
        self._children: dict[str, subprocess.Popen[str]] = {}

    def run(self) -> None:
        """Serve until SIGTERM.

        Raises
        ------
        ConfigurationError
            If a role cannot start, or another gateway runs on the same data directory.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        open_database(self._settings)
        open_log(self._settings.data_dir, role="serve")
        self._lock = self._lock_data_dir()
        names = ["receive", *(f"work {number}" for number in range(self._settings.workers))]
        for name in names:
            self._spawn(name)
        told = [self._wait_until_ready(name) for name in names]
        if not self._stop.is_set():
            log_event("ready", **{key: value for words in told for key, value in words.items()})
        watchers = [threading.Thread(target=self._watch, args=(name,), name=name) for name in names]
        for watcher in watchers:
            watcher.start()
        self._stop.wait()
        self._end_children()
        for watcher in watchers:
            watcher.join()
        log_event("stopped")
        if self._wrong.is_set():
            raise ConfigurationError("a role of the gateway cannot start; its own line above says why")

    def _lock_data_dir(self) -> int:
        folder = self._settings.data_dir / "run"
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "gateway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS  # the roles of a killed gateway are still ending
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"data_dir: another gateway runs on {self._settings.data_dir}; stop it or choose another"
                )
            self._stop.wait(0.1)
        return descriptor

    def _spawn(self, name: str) -> None:
        self._children[name] = subprocess.Popen(
            [sys.executable, "-m", "gateway", name.split()[0], "--supervised", *self._arguments],
            stdin=subprocess.PIPE,  # a leash: the role ends when this end is gone
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[self._lock],  # the data directory is free again when the last role has ended
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then drains the roles
        )

    def _wait_until_ready(self, name: str) -> dict[str, str]:
        """Return what a role tells about itself once it serves, or nothing if it ended before."""
        child = self._children[name]
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        line = child.stdout.readline()
        if line.startswith(READY):
            return dict(word.split("=", 1) for word in line.split()[1:])
        if child.wait() == WRONG_CONFIGURATION:
            self._wrong.set()
            self._stop.set()
        return {}

    def _watch(self, name: str) -> None:
        """Start the role again whenever it dies, more slowly the more often."""
        delay = FIRST_DELAY
        while True:
            started_at = time.monotonic()
            status = self._children[name].wait()
            if self._stop.is_set():
                return
            delay = FIRST_DELAY if time.monotonic() - started_at > STEADY_SECONDS else delay
            log_event("role_died", died=name, exit_status=status, restart_in_seconds=delay)
            if self._stop.wait(delay):
                return
            delay = min(2 * delay, LONGEST_DELAY)
            self._spawn(name)
            self._wait_until_ready(name)

    def _end_children(self) -> None:
        """Ask every role to drain; kill what has not ended in time: the next start resumes its work."""
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + self._settings.shutdown_seconds + 5
        for child in self._children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()

"""A PostgreSQL server of one's own, for as long as a test needs it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg

from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.missing_peer import leave_out

DEBIAN = Path("/usr/lib/postgresql")


class PostgreSQL:
    """A server on a free port of loopback, its data in a temporary folder.

    PostgreSQL refuses to run as root; it then runs as the package's user `postgres`, in a folder that this
    user can reach.

    Parameters
    ----------
    folder
        For the server's log, `postgresql.log`.
    data
        Folder for its data, which other users may enter; None: that of temporary files.
    settings
        Of the server, as `synchronous_commit="off"`.
    """

    def __init__(self, folder: Path, *, data: Path | None = None, **settings: str) -> None:
        self._settings = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._log = folder / "postgresql.log"
        self._data = Path(tempfile.mkdtemp(prefix="gateway-postgresql-", dir=data))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            os.chown(self._data, pwd.getpwnam(self._user).pw_uid, -1)
        self._port = free_port()
        self._run(_program("initdb"), "-D", self._data, "-U", "gateway", "-A", "trust", "-E", "UTF8").wait(
            PATIENCE_SECONDS
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._data)

    @property
    def url(self) -> str:
        """As the settings' `database` takes it."""
        return f"postgresql://gateway@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int:
        """Process ID of the server."""
        return self._server.pid

    def start(self) -> None:
        """Start the server on what its folder holds; return once it answers."""
        options = ("-p", str(self._port), "-c", "listen_addresses=127.0.0.1", "-k", "")
        self._server = self._run(_program("postgres"), "-D", self._data, *options, *self._settings)
        wait_for(self._answers)

    def stop(self) -> None:
        """Break off every connection and end (the server's own name for it: fast shutdown)."""
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(PATIENCE_SECONDS)

    @contextmanager
    def revived(self) -> Iterator[None]:
        """Start the server again whenever it is killed, for the length of a block."""
        ended = threading.Event()

        def revive() -> None:
            while not ended.wait(0.1):
                if self._server.poll() is not None:
                    self.start()

        reviver = threading.Thread(target=revive)
        reviver.start()
        try:
            yield
        finally:
            ended.set()
            reviver.join()

    def _run(self, *command: str | Path) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(command, cwd=self._data, user=self._user, stdout=log, stderr=log)

    def _answers(self) -> bool:
        assert self._server.poll() is None, self._log.read_text()
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a server for the length of a block and yield its URL."""
    with PostgreSQL(folder) as server:
        yield server.url


def _program(name: str) -> Path:
    """Return a program of the newest installed version; without it the test is left out, but never in CI."""
    found = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        leave_out(f"PostgreSQL's {name} is missing: apt-get install postgresql")
    return found[-1]

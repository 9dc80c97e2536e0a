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

from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.missing_peer import leave_out

DEBIAN = Path("/usr/lib/postgresql")
FAKETIME = "/usr/$LIB/faketime/libfaketime.so.1"  # the loader replaces $LIB


@contextmanager
def ledger_at(url: str, folder: Path) -> Iterator[Ledger]:
    """Open an empty ledger."""
    engine = open_engine(Settings(data_dir=folder, database=url).database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE instances CASCADE")
    yield Ledger(engine, folder)
    engine.dispose()


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
    clock_ahead_seconds
        By how much the server's clock is ahead of this machine's (libfaketime).
    settings
        Of the server, as `synchronous_commit="off"`.
    """

    def __init__(
        self, folder: Path, *, data: Path | None = None, clock_ahead_seconds: int = 0, **settings: str
    ) -> None:
        # the program `faketime` would be the parent of the server, and end without it
        self._clock = {"LD_PRELOAD": FAKETIME, "FAKETIME": f"+{clock_ahead_seconds}s"}
        if not clock_ahead_seconds:
            self._clock = {}
        elif not shutil.which("faketime"):
            leave_out("faketime is missing: apt-get install faketime")
        self._settings = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._log = folder / "postgresql.log"
        self._data = Path(tempfile.mkdtemp(prefix="gateway-postgresql-", dir=data))
        self._user = user_of_servers()
        if self._user:
            os.chown(self._data, pwd.getpwnam(self._user).pw_uid, -1)
        self.port = free_port()
        self._fill()

    def _fill(self) -> None:
        """Make the server's data."""
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
        return f"postgresql://gateway@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """Process ID of the server."""
        return self._server.pid

    def start(self) -> None:
        """Start the server on what its folder holds; return once it answers."""
        options = ("-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", "")
        self._server = self._run(_program("postgres"), "-D", self._data, *options, *self._settings)
        wait_for(self._answers)

    def stop(self) -> None:
        """Break off every connection and end (the server's own name for it: fast shutdown)."""
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(PATIENCE_SECONDS)

    def restart(self) -> None:
        """End at once, as a crash would (immediate shutdown), and start again."""
        self.crash()
        self.start()

    def crash(self) -> None:
        """End at once: what is not on disk is lost."""
        self._server.send_signal(signal.SIGQUIT)
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
            return subprocess.Popen(
                command,
                cwd=self._data,
                user=self._user,
                env=os.environ | self._clock,
                stdout=log,
                stderr=log,
            )

    def _answers(self) -> bool:
        assert self._server.poll() is None, self._log.read_text()
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


class Standby(PostgreSQL):
    """A standby that streams from another server, until it is promoted."""

    def __init__(self, primary: PostgreSQL, folder: Path, **settings: str) -> None:
        self._primary = primary
        super().__init__(folder, **settings)

    def promote(self) -> None:
        """Become a server that takes writes; return once it does."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)

    def _fill(self) -> None:
        copied = self._run(
            _program("pg_basebackup"), "-R", "-c", "fast", "-D", self._data, "-d", self._primary.url
        )
        assert copied.wait(PATIENCE_SECONDS) == 0, self._log.read_text()


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a server for the length of a block and yield its URL."""
    with PostgreSQL(folder) as server:
        yield server.url


def user_of_servers() -> str | None:
    """Return the user as whom database servers run: they refuse root."""
    return "postgres" if os.geteuid() == 0 else None


def _program(name: str) -> Path:
    """Return a program of the newest installed version; without it the test is left out, but never in CI."""
    found = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        leave_out(f"PostgreSQL's {name} is missing: apt-get install postgresql")
    return found[-1]

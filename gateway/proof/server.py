"""The PostgreSQL server under proof: killed with all its processes; its operator restarts it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import ConfigurationError


class PostgresServer:
    """A PostgreSQL server on this machine (Linux).

    Parameters
    ----------
    engine
        Engine that connects to the server.

    Raises
    ------
    ConfigurationError
        If the server is not PostgreSQL, or runs on another machine.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        if engine.dialect.name != "postgresql" or not self._processes():
            raise ConfigurationError(
                "--database-kills: name a PostgreSQL server on this machine with --database"
            )

    def kill(self) -> bool:
        """Send SIGKILL to the server and its processes; return False if it does not run."""
        try:
            processes = self._processes()
        except sa.exc.DBAPIError:
            return False
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(processes)

    def _processes(self) -> list[int]:
        """Return the process IDs of the server and its children, the server first."""
        with self._engine.connect() as connection:
            backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        try:
            server = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
            if "postgres" not in Path(f"/proc/{server}/comm").read_text():
                return []
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        except OSError:
            return []
        return [server, *map(int, children)]

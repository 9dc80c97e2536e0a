"""A PostgreSQL primary and its synchronous standby on two hosts, and their operator.

The operator does what Patroni or a person does: it fences a primary before its standby writes, rebuilds the
old primary as standby, and lets commits wait for a standby only while there is one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from gateway.errors import ConfigurationError, GatewayError
from gateway.proof.cluster.host import Host, Program
from gateway.proof.cluster.network import PREFIX, Network

PORT = 5432
ROLE = DATABASE = "cxr"
_OPERATOR = "operator"
_SERVER = "postgresql"
_PACKAGE_USER = "postgres"
_PACKAGE = Path("/usr/lib/postgresql")
_WAIT_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_SETTINGS = {
    "listen_addresses": "*",
    "unix_socket_directories": "",
    "max_connections": "120",
    "wal_keep_size": "512MB",
    "wal_receiver_timeout": "10s",
    "wal_sender_timeout": "10s",
    "wal_retrieve_retry_interval": "500ms",
    "shared_buffers": "32MB",
}
_HBA = f"host all all {PREFIX}0/24 trust\nhost replication all {PREFIX}0/24 trust\n"


class PostgresPair:
    """The two servers.

    Parameters
    ----------
    folder
        Made here, for the data of both, in a folder that every user may enter.
    hosts
        The first primary, then the first standby.
    """

    def __init__(self, folder: Path, network: Network, hosts: tuple[Host, Host]) -> None:
        self.primary, self.standby = self._hosts = hosts
        self._network = network
        self._folder = folder
        folder.mkdir()
        folder.chmod(0o711)  # for the package's user
        try:
            self._user = pwd.getpwnam(_PACKAGE_USER).pw_uid
            self._programs = max(_PACKAGE.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])).parent
        except (KeyError, ValueError):
            raise ConfigurationError("--cluster: PostgreSQL is missing: apt-get install postgresql") from None

    @property
    def url(self) -> str:
        """The setting `database`: both hosts, of which the one that takes writes is meant."""
        hosts = "&".join(f"host={host.address}:{PORT}" for host in self._hosts)
        return f"postgresql://{ROLE}@/{DATABASE}?{hosts}&target_session_attrs=read-write"

    def create(self) -> None:
        """Make an empty database, start both servers, and wait until the standby follows."""
        data = self._empty_data(self.primary)
        options = ("-U", _OPERATOR, "-A", "trust", "-E", "UTF8", "--no-instructions")
        self.primary.do([str(self._programs / "initdb"), "-D", str(data), *options], user=self._user)
        with (data / "pg_hba.conf").open("a") as hba:
            hba.write(_HBA)
        self._run(self.primary)
        self._tell(f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        self._rebuild_standby()

    # --- what goes wrong

    def restart(self, _: float) -> None:
        """Let the primary end without a checkpoint; its host starts it again."""
        self.primary.signal(_SERVER, signal.SIGQUIT)
        self._wait_for_standby()

    def reboot(self, seconds: float) -> None:
        """Take the power from the primary's host for some seconds."""
        self.primary.lose_power()
        time.sleep(seconds)
        self.primary.boot()
        self._wait_for_standby()

    def cut_primary(self, seconds: float) -> None:
        """Cut the primary's cable for some seconds; both sides live."""
        self._cut(self.primary, seconds)

    def cut_standby(self, seconds: float) -> None:
        """Cut the standby's cable for some seconds: commits wait."""
        self._cut(self.standby, seconds)

    def lose_standby(self, seconds: float) -> None:
        """Take the power from the standby's host; after some seconds commits do not wait for it."""
        self.standby.lose_power()
        time.sleep(seconds)
        self._let_commits_wait(False)
        self.standby.boot()
        self._wait_for_standby()

    def promote_after_power_cut(self, seconds: float) -> None:
        """Take the power from the primary's host, promote the standby after some seconds."""
        self.primary.lose_power()
        time.sleep(seconds)
        self._change_sides()

    def promote_after_cut(self, seconds: float) -> None:
        """Cut the cable of a primary that goes on, promote the standby after some seconds."""
        self._network.cut(self.primary.name)
        time.sleep(seconds)
        self._change_sides()

    def refuse_writes(self, seconds: float) -> None:
        """Be read-only for some seconds."""
        self._tell("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        time.sleep(seconds)
        self._tell("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")

    def refuse_connections(self, seconds: float) -> None:
        """End the gateway's connections and take two at most for some seconds."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
        self._tell(f"ALTER ROLE {ROLE} CONNECTION LIMIT 2", (others, [ROLE]))
        time.sleep(seconds)
        self._tell(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")

    def be_slow(self, seconds: float) -> None:
        """Give the primary a fifth of the time for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.primary.freeze(frozen=True)
            time.sleep(0.4)
            self.primary.freeze(frozen=False)
            time.sleep(0.1)

    # --- the operator

    def _change_sides(self) -> None:
        self._tell("SELECT pg_promote()", host=self.standby)
        self.primary.lose_power()  # fenced, before its cable is whole again
        self.primary, self.standby = self.standby, self.primary
        self._rebuild_standby()

    def _rebuild_standby(self) -> None:
        self._let_commits_wait(False)
        self.standby.forget(_SERVER)
        if not self.standby.is_up:
            self.standby.boot()
        self._wait(self._copy_primary, f"{self.standby.name} cannot copy {self.primary.name}")
        self._run(self.standby)
        self._wait_for_standby()

    def _copy_primary(self) -> bool:
        """Copy the primary's data to the standby, if they reach each other: a host's cable needs its time."""
        data = self._empty_data(self.standby)
        source = ("-h", self.primary.address, "-p", str(PORT), "-U", _OPERATOR)
        copied = ("-D", str(data), "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream")
        with suppress(GatewayError):
            self.standby.do([str(self._programs / "pg_basebackup"), *source, *copied], user=self._user)
            return True
        return False

    def _wait_for_standby(self) -> None:
        """Wait until the standby follows; commits wait for it from then on."""
        self._wait_until("SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'")
        self._let_commits_wait(True)
        self._wait_until("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")

    def _let_commits_wait(self, wait: bool) -> None:
        names = "*" if wait else ""
        self._tell(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "SELECT pg_reload_conf()")

    def _cut(self, host: Host, seconds: float) -> None:
        self._network.cut(host.name)
        time.sleep(seconds)
        self._network.mend(host.name)
        self._wait_for_standby()

    def _run(self, host: Host) -> None:
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._data(host)), "-p", str(PORT), *settings]
        log = self._folder / f"{host.name}.log"
        host.run(_SERVER, Program(command, os.environ, log, self._user))

    def _data(self, host: Host) -> Path:
        return self._folder / host.name

    def _empty_data(self, host: Host) -> Path:
        data = self._data(host)
        with suppress(FileNotFoundError):
            shutil.rmtree(data)
        data.mkdir(mode=0o700)
        os.chown(data, self._user, self._user)
        return data

    # --- SQL

    def _tell(self, *statements: Any, host: Host | None = None) -> None:
        """Execute statements, (text, parameters) or text alone, as soon as the server answers."""

        def execute() -> bool:
            with self._connection(host or self.primary) as connection:
                for statement in statements:
                    text, parameters = (statement, None) if isinstance(statement, str) else statement
                    connection.execute(text, parameters)
            return True

        self._wait(execute, f"the server on {(host or self.primary).name} does not obey")

    def _wait_until(self, query: str) -> None:
        def holds() -> bool:
            with self._connection(self.primary) as connection:
                return bool(connection.execute(query.encode()).fetchone() == (True,))

        self._wait(holds, f"the standby on {self.standby.name} does not follow")

    def _connection(self, host: Host) -> psycopg.Connection[Any]:
        options = "-c synchronous_commit=local -c default_transaction_read_only=off"
        return psycopg.connect(
            host=host.address,
            port=PORT,
            user=_OPERATOR,
            dbname="postgres",
            connect_timeout=5,
            options=options,
            autocommit=True,
        )

    def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            with suppress(psycopg.OperationalError):
                if condition():
                    return
            if time.monotonic() > deadline:
                raise GatewayError(f"{problem}: see {self._folder}/*.log")
            time.sleep(_LOOK_SECONDS)

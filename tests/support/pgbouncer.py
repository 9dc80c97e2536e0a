"""PgBouncer before a PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.missing_peer import leave_out
from tests.support.postgresql import PostgreSQL, user_of_servers

PROGRAM = "/usr/sbin/pgbouncer"
SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
server_login_retry = 1
"""


@contextmanager
def pgbouncer(server: PostgreSQL, mode: str = "transaction", size: int = 5) -> Iterator[str]:
    """Run PgBouncer for the length of a block and yield the URL of the server through it.

    Parameters
    ----------
    mode
        `session`, `transaction` or `statement`.
    size
        Sessions of the server that all clients share.
    """
    if not Path(PROGRAM).exists():
        leave_out("PgBouncer is missing: apt-get install pgbouncer")
    folder, port, user = Path(tempfile.mkdtemp(prefix="gateway-pgbouncer-")), free_port(), user_of_servers()
    (folder / "users").write_text('"gateway" ""\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(server=server.port, port=port, folder=folder, mode=mode, size=size))
    if user:
        for path in (folder, *folder.iterdir()):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    url = f"postgresql://gateway@127.0.0.1:{port}/postgres"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, settings], user=user, stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        wait_for(answers)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
        shutil.rmtree(folder)

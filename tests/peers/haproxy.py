"""A real HAProxy before receivers: the shipped configuration with the addresses of a test."""

from __future__ import annotations

import csv
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.missing_peer import leave_out

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
PROGRAM = "/usr/sbin/haproxy"
OWN_ADDRESS = "127.0.0.2"
"""The address from which the HAProxy of the tests connects to receivers."""

Address = tuple[str, int]


@dataclass(frozen=True)
class HAProxy:
    """A HAProxy that runs."""

    address: Address
    stats: Path
    pid: int

    def status(self, server: str) -> str:
        """Return UP or DOWN, as HAProxy sees a server."""
        return self._column(server, "status").split()[0]

    def last_check(self, server: str) -> str:
        """Return the result of the last health check: L4OK, L6OK, L7OK, L4CON …"""
        return self._column(server, "check_status").removeprefix("* ")

    def sessions(self, server: str) -> int:
        """Return how many connections a server was given."""
        return int(self._column(server, "stot"))

    def _column(self, server: str, name: str) -> str:
        (row,) = [row for row in self._rows() if row["svname"] == server]
        return row[name]

    def _rows(self) -> list[dict[str, str]]:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(PATIENCE_SECONDS)
            asked.connect(str(self.stats))
            asked.sendall(b"show stat\n")
            answer = b"".join(iter(lambda: asked.recv(65536), b"")).decode()
        return list(csv.DictReader(answer.removeprefix("# ").splitlines()))


@contextmanager
def balancing(
    *receivers: Address, server_options: str = "", health: Sequence[int] = (), check_seconds: float = 0.2
) -> Iterator[HAProxy]:
    """Run the shipped configuration before these receivers, until the block ends; servers are host1, host2, …

    Parameters
    ----------
    server_options
        Added to the line of each server.
    health
        The health port of each receiver; without them HAProxy checks that it can connect.
    check_seconds
        Interval of the health checks.
    """
    if not Path(PROGRAM).exists():
        leave_out("haproxy is missing: apt-get install haproxy")
    with socket.create_server(("127.0.0.1", 0)) as front, tempfile.TemporaryDirectory() as folder:
        stats, file = Path(folder) / "stats", Path(folder) / "haproxy.cfg"
        text = _configuration(front.fileno(), stats, receivers, server_options, health)
        file.write_text(_replaced(text, "inter 2s", f"inter {1000 * check_seconds:.0f}ms"))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM, "-f", str(file), "-db"], pass_fds=[front.fileno()], stdout=log, stderr=log
            )
            try:
                wait_for(lambda: stats.exists() or process.poll() is not None)
                assert process.poll() is None, (Path(folder) / "log").read_text()
                yield HAProxy(front.getsockname()[:2], stats, process.pid)
            finally:
                process.terminate()
                process.wait(PATIENCE_SECONDS)


def _configuration(
    front: int, stats: Path, receivers: Sequence[Address], server_options: str, health: Sequence[int]
) -> str:
    shipped = CONFIGURATION.read_text()
    text, servers = re.subn(r"^    server .*\n", "", shipped, flags=re.MULTILINE)
    assert servers == 2, "the shipped configuration has other servers than this replaces"
    text = _replaced(text, "bind 0.0.0.0:104", f"bind fd@{front}")
    text = _replaced(text, "    maxconn 2000", f"    maxconn 2000\n    stats socket {stats} mode 600")
    text = _replaced(text, " check port 8081", " check")
    slowly = f"    timeout check {PATIENCE_SECONDS:.0f}s\n"  # else an interval is all that a check may take
    text = _replaced(text, "    option redispatch 1\n", "    option redispatch 1\n" + slowly)
    if not health:
        text = _replaced(text, "    option httpchk GET /health/ready\n", "")
    ports = [f"port {port}" for port in health] or [""] * len(receivers)
    lines = [
        f"    server host{number} {host}:{port} source {OWN_ADDRESS} {asked} {server_options}\n"
        for number, ((host, port), asked) in enumerate(zip(receivers, ports, strict=True), 1)
    ]
    return text + "".join(lines)


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"the shipped configuration lacks {old!r}"
    return text.replace(old, new)

"""CLUSTER: what several hosts cost, and what limits them first.

`python -m benchmarks.cluster` measures a gateway with SQLite, then with PostgreSQL and with HAProxy as in
`deploy/haproxy.cfg`, 1 and 2 receivers and workers: throughput, processor time of each process, and what the
database does for an image. With `--fastest` a model that answers at once takes the network's place and memory
the disk's: what is then busiest is the first bottleneck. All gateways run on this machine's cores, with the
senders, and take turns, so that each meets the same machine.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import psycopg
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.processes import each, processor_ms
from benchmarks.scaling import pair, ready_senders, send, send_from
from tests.peers.haproxy import OWN_ADDRESS, balancing
from tests.support.gateway_process import running
from tests.support.postgresql import PostgreSQL

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, not a guessable file
PAIRS = "1:1,2:1,1:2,2:2"
WARM_UP = 4  # images of each worker
AFTERWARDS_SECONDS = 0.5  # rows that follow the last result in its folder
REST_SECONDS = 20.0  # what all gateways cost while nothing comes
BEHIND_HAPROXY = {"trusted_proxies": [OWN_ADDRESS], "peers": [{"ae_title": "BENCHMARK", "host": "127.0.0.1"}]}
_TOTALS = """
    SELECT xact_commit, tup_inserted + tup_updated + tup_deleted, pg_current_wal_lsn() - '0/0'
    FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What each gateway is sent."""

    senders: int
    images: int
    turns: int


@dataclass(frozen=True, slots=True)
class Row:
    """One gateway, the mean of its turns.

    Attributes
    ----------
    acknowledged, answered
        Images per second from the first C-STORE to the last 0x0000, and to the last result in the folder.
    processor
        Processor time of each process in ms per image.
    database
        Transactions, rows written and bytes of write-ahead log, per image; empty with SQLite.
    rest
        Processor time of all processes in ms, and transactions, for each second in which nothing comes.
    """

    database_kind: str
    receivers: int
    workers: int
    acknowledged: float
    answered: float
    processor: dict[str, float]
    database: tuple[float, ...]
    rest: tuple[float, ...] = ()


class Site:
    """One of the gateways, until the stack ends; it counts what its turns took."""

    def __init__(
        self, stack: ExitStack, root: Path, kind: str, count: tuple[int, int], doubles: Sequence[str]
    ) -> None:
        root.mkdir()
        self.root, self.kind, self.count = root, kind, count
        receivers, workers = count
        scp: dict[str, Any] = {"processes": receivers, "max_memory_mb": 1024}
        self._settings: dict[str, Any] = {
            "scp": scp,
            "workers": workers,
            "destinations": [{"name": "out", "kind": "folder", "path": str(root / "out")}],
            "routes": [{"calling_ae_title": "*", "to": ["out"]}],
        }
        self._servers: dict[str, int] = {}
        if kind == "PostgreSQL":
            scp |= BEHIND_HAPROXY
            server = stack.enter_context(PostgreSQL(root, data=root))
            self._settings["database"] = server.url
            self._servers["PostgreSQL"] = server.pid
        self._gateway = stack.enter_context(running(root, doubles=doubles, **self._settings))
        stack.callback(self._gateway.stop)
        self._node = self._gateway.node
        if self._servers:
            haproxy = stack.enter_context(balancing((self._node.host, self._node.port), check_seconds=2))
            self._node = replace(self._node, host=haproxy.address[0], port=haproxy.address[1])
            self._servers["HAProxy"] = haproxy.pid
        self._turns: list[Row] = []
        send(root, self._node, workers, WARM_UP * workers)

    def take_turn(self, senders: int, images: int) -> None:
        """Send images and wait for their answers; making images and senders does not count."""
        sending = ready_senders(self.root, self._node, senders, images)
        database, processor = self._totals(), self._processor()
        start, acknowledged, ended = send_from(self.root, sending, images)
        time.sleep(AFTERWARDS_SECONDS)
        spent = each(processor, self._processor(), images)
        did = _shares(database, self._totals(), images)
        rates = images / (acknowledged - start), images / (ended - start)
        self._turns.append(Row(self.kind, *self.count, *rates, spent, did))
        shutil.rmtree(self.root / "out")

    def begin_rest(self) -> None:
        """Note what was spent before a rest."""
        self._before_rest = self._totals(), self._processor(), time.time()

    def end_rest(self) -> None:
        """Count what a second of rest takes: processor time of each process in ms, and transactions."""
        database, processor, since = self._before_rest
        spent = sum(each(processor, self._processor(), time.time() - since).values())
        did = _shares(database, self._totals(), time.time() - since)
        self._rest = (spent, *did[:1])

    def row(self) -> Row:
        """Return the mean of the turns."""
        names = set().union(*(turn.processor for turn in self._turns))
        return Row(
            self.kind,
            *self.count,
            mean(turn.acknowledged for turn in self._turns),
            mean(turn.answered for turn in self._turns),
            {name: mean(turn.processor.get(name, 0.0) for turn in self._turns) for name in names},
            tuple(map(mean, zip(*(turn.database for turn in self._turns), strict=True))),
            self._rest,
        )

    def _processor(self) -> dict[str, float]:
        """Return the processor time so far of each role and server, in ms."""
        spent: dict[str, float] = dict(processor_ms(self._gateway.process.pid))
        return spent | {name: float(sum(processor_ms(pid).values())) for name, pid in self._servers.items()}

    def _totals(self) -> tuple[float, ...]:
        """Return what a PostgreSQL server has done so far; its sessions report it within a second."""
        if "database" not in self._settings:
            return ()
        time.sleep(1.5)
        with psycopg.connect(self._settings["database"]) as connection:
            found = connection.execute(_TOTALS).fetchone()
        assert found
        return tuple(map(float, found))


def measure(
    root: Path, counts: Sequence[tuple[int, int]], plan: Plan, doubles: Sequence[str]
) -> Iterator[Row]:
    """Measure one receiver and worker with SQLite, and each pair with PostgreSQL behind HAProxy, in turns."""
    with ExitStack() as stack:
        sites = [Site(stack, root / "sqlite", "SQLite", (1, 1), doubles)]
        for receivers, workers in counts:
            folder = root / f"{receivers}-{workers}"
            sites.append(Site(stack, folder, "PostgreSQL", (receivers, workers), doubles))
        for number in range(plan.turns):
            for site in sites[:: 1 if number % 2 else -1]:
                site.take_turn(plan.senders, plan.images)
        for site in sites:
            site.begin_rest()
        time.sleep(REST_SECONDS)
        for site in sites:
            site.end_rest()
        yield from (site.row() for site in sites)


def _shares(before: Sequence[float], after: Sequence[float], count: float) -> tuple[float, ...]:
    return tuple((late - early) / count for early, late in zip(before, after, strict=True))


def main(
    fastest: Annotated[bool, typer.Option("--fastest", help="An instant model, and memory as disk.")] = False,
    senders: Annotated[int, typer.Option(help="Senders at full speed.")] = 4,
    images: Annotated[int, typer.Option(help="Images of each turn.")] = 24,
    turns: Annotated[int, typer.Option(help="Turns of each gateway.")] = 5,
    pairs: Annotated[str, typer.Option(help="Receivers and workers of each gateway.")] = PAIRS,
    folder: Annotated[Path | None, typer.Option(help="Measure on this disk.")] = None,
) -> None:
    """Print the table."""
    counts = [pair(text) for text in pairs.split(",")]
    with tempfile.TemporaryDirectory(dir=MEMORY if fastest else folder, prefix="benchmarks-") as temporary:
        root = Path(temporary)
        root.chmod(0o711)  # the database server is another user
        rows = list(measure(root, counts, Plan(senders, images, turns), ["instant"] if fastest else []))
    table = Table("database", "receivers", "workers", "acknowledged/s", "answered/s", box=box.SIMPLE)
    for heading in ("ms an image", "in all", "transactions, rows, kB of log", "at rest: ms, transactions/s"):
        table.add_column(heading)
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=200, highlight=False).print(table)


def _cells(row: Row) -> list[str]:
    spent = ", ".join(f"{name} {ms:.1f}" for name, ms in sorted(row.processor.items()))
    did = ""
    if row.database:
        transactions, rows, log = row.database
        did = f"{transactions:.1f}, {rows:.1f}, {log / 1000:.1f}"
    counts = [row.database_kind, str(row.receivers), str(row.workers)]
    rates = [f"{row.acknowledged:.1f}", f"{row.answered:.1f}"]
    rest = ", ".join(f"{value:.1f}" for value in row.rest)
    return [*counts, *rates, spent, f"{sum(row.processor.values()):.1f}", did, rest]


if __name__ == "__main__":
    typer.run(main)

"""CLUSTER: what several hosts cost, and what limits them first.

`python -m benchmarks.cluster` measures a gateway with SQLite, then with PostgreSQL and with HAProxy as in
`deploy/haproxy.cfg`, 1 and 2 receivers and workers: throughput, processor time of each process, and what the
database does for an image. With `--fastest` a model that answers at once takes the network's place and memory
the disk's: what is then busiest is the first bottleneck. All run on this machine's cores, with the senders.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.processes import each, processor_ms
from benchmarks.scaling import pair, send
from tests.peers.haproxy import OWN_ADDRESS, balancing
from tests.support.gateway_process import GatewayProcess, running
from tests.support.postgresql import PostgreSQL

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, not a guessable file
PAIRS = "1:1,2:1,1:2,2:2"
WARM_UP = 4  # images of each worker
BEHIND_HAPROXY = {"trusted_proxies": [OWN_ADDRESS], "peers": [{"ae_title": "BENCHMARK", "host": "127.0.0.1"}]}
_TOTALS = """
    SELECT xact_commit, tup_inserted + tup_updated + tup_deleted, pg_current_wal_lsn() - '0/0'
    FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One run.

    Attributes
    ----------
    acknowledged, answered
        Images per second from the first C-STORE to the last 0x0000, and to the last result in the folder.
    processor
        Processor time of each process in ms per image.
    database
        Transactions, rows written and kB of write-ahead log, per image; empty with SQLite.
    """

    database_kind: str
    receivers: int
    workers: int
    acknowledged: float
    answered: float
    processor: dict[str, float]
    database: tuple[float, ...]


def measure(
    root: Path, counts: Sequence[tuple[int, int]], senders: int, images: int, doubles: Sequence[str]
) -> list[Row]:
    """Measure one receiver and worker with SQLite, then each pair with PostgreSQL behind HAProxy."""
    rows = [_row(root / "sqlite", "SQLite", (1, 1), senders, images, doubles)]
    return rows + [
        _row(root / f"{receivers}-{workers}", "PostgreSQL", (receivers, workers), senders, images, doubles)
        for receivers, workers in counts
    ]


def _row(
    root: Path, kind: str, count: tuple[int, int], senders: int, images: int, doubles: Sequence[str]
) -> Row:
    root.mkdir()
    receivers, workers = count
    settings: dict[str, Any] = {
        "scp": {"processes": receivers, "max_memory_mb": 1024},
        "workers": workers,
        "destinations": [{"name": "out", "kind": "folder", "path": str(root / "out")}],
        "routes": [{"calling_ae_title": "*", "to": ["out"]}],
    }
    with ExitStack() as stack:
        servers: dict[str, int] = {}
        if kind == "PostgreSQL":
            server = stack.enter_context(PostgreSQL(root, data=root))
            settings["database"] = server.url
            settings["scp"] |= BEHIND_HAPROXY
            servers["PostgreSQL"] = server.pid
        gateway = stack.enter_context(running(root, doubles=doubles, **settings))
        node = gateway.node
        if servers:
            haproxy = stack.enter_context(balancing((node.host, node.port), check_seconds=2))
            node = replace(node, host=haproxy.address[0], port=haproxy.address[1])
            servers["HAProxy"] = haproxy.pid
        send(root, node, workers, WARM_UP * workers)
        processor, database = _processor(gateway, servers), _totals(settings)
        start, acknowledged, ended = send(root, node, senders, images)
        spent = each(processor, _processor(gateway, servers), images)
        did = tuple(
            (after - before) / images for before, after in zip(database, _totals(settings), strict=True)
        )
        gateway.stop()
    shutil.rmtree(root)
    return Row(kind, *count, images / (acknowledged - start), images / (ended - start), spent, did)


def _processor(gateway: GatewayProcess, servers: dict[str, int]) -> dict[str, float]:
    """Return the processor time so far of each role and server, in ms."""
    spent: dict[str, float] = dict(processor_ms(gateway.process.pid))
    return spent | {name: float(sum(processor_ms(pid).values())) for name, pid in servers.items()}


def _totals(settings: dict[str, Any]) -> tuple[float, ...]:
    """Return what a PostgreSQL server has done so far; its sessions report it within a second."""
    if "database" not in settings:
        return ()
    time.sleep(1.5)
    with psycopg.connect(settings["database"]) as connection:
        found = connection.execute(_TOTALS).fetchone()
    assert found
    return tuple(map(float, found))


def main(
    fastest: Annotated[bool, typer.Option("--fastest", help="An instant model, and memory as disk.")] = False,
    senders: Annotated[int, typer.Option(help="Senders at full speed.")] = 4,
    images: Annotated[int, typer.Option(help="Images of each run.")] = 120,
    pairs: Annotated[str, typer.Option(help="Receivers and workers of each run.")] = PAIRS,
    folder: Annotated[Path | None, typer.Option(help="Measure on this disk.")] = None,
) -> None:
    """Print the table."""
    counts = [pair(text) for text in pairs.split(",")]
    with tempfile.TemporaryDirectory(dir=MEMORY if fastest else folder, prefix="benchmarks-") as temporary:
        root = Path(temporary)
        root.chmod(0o711)  # the database server is another user
        rows = measure(root, counts, senders, images, ["instant"] if fastest else [])
    table = Table("database", "receivers", "workers", "acknowledged/s", "answered/s", box=box.SIMPLE)
    for heading in ("ms of processor an image", "in all", "transactions, rows, kB of log an image"):
        table.add_column(heading)
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=200, highlight=False).print(table)


def _cells(row: Row) -> list[str]:
    spent = ", ".join(f"{name} {ms:.0f}" for name, ms in sorted(row.processor.items()))
    did = ""
    if row.database:
        transactions, rows, log = row.database
        did = f"{transactions:.1f}, {rows:.1f}, {log / 1000:.1f}"
    counts = [row.database_kind, str(row.receivers), str(row.workers)]
    rates = [f"{row.acknowledged:.1f}", f"{row.answered:.1f}"]
    return [*counts, *rates, spent, f"{sum(row.processor.values()):.0f}", did]


if __name__ == "__main__":
    typer.run(main)

"""SCALING: throughput by the number of workers and receivers, with SR and SC into a folder.

`python -m benchmarks.scaling` prints the table for 1, 2, 4, … workers up to the machine's cores, beside the
rate of the disk alone. It needs no DCMTK. With `--gpu` the workers share the machine's GPU. `--profile` also
prints what an image waits for; counting takes a little time itself.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import waits
from benchmarks.processes import each, processor_ms
from benchmarks.radiograph import MB, shares, write_radiographs
from benchmarks.sender import Sender
from gateway.files.draft import Draft
from gateway.requestor.storage_scu import DicomNode
from tests.support.gateway_process import running, wait_for

LEAD_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Row:
    """One run.

    Attributes
    ----------
    acknowledged, answered
        Images per second from the first C-STORE to the last 0x0000, and to the last result in the folder.
    processor
        Processor time of each role, in ms per image.
    profile
        What an image waits for, in lines; empty where it was not asked for.
    """

    receivers: int
    workers: int
    senders: int
    acknowledged: float
    answered: float
    processor: dict[str, float]
    profile: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same in all runs."""

    senders: int
    images: int
    device: str
    profiled: bool


def measure(root: Path, counts: Sequence[tuple[int, int]], plan: Plan) -> Iterator[Row]:
    """Measure one gateway for each pair of receivers and workers."""
    for receivers, workers in counts:
        yield _row(root / f"{receivers}-{workers}", receivers, workers, plan)


def _row(root: Path, receivers: int, workers: int, plan: Plan) -> Row:
    root.mkdir()
    senders, images, counts = plan.senders, plan.images, root / "waits"
    settings: dict[str, Any] = {
        "scp": {"processes": receivers, "max_memory_mb": 1024},
        "workers": workers,
        "model": {"device": plan.device},
        "destinations": [{"name": "out", "kind": "folder", "path": str(root / "out")}],
        "routes": [{"calling_ae_title": "*", "to": ["out"]}],
    }
    environment = waits.environment(counts) if plan.profiled else None
    with running(root, environment=environment, **settings) as gateway:
        send(root, gateway.node, workers, workers)  # each worker's first images take longer
        before, began = processor_ms(gateway.process.pid), waits.look(counts)
        start, acknowledged, ended = send(root, gateway.node, senders, images)
        spent = each(before, processor_ms(gateway.process.pid), images)
        database = gateway.data_dir / "gateway.sqlite"
        told = tuple(waits.profile(began, waits.look(counts), images, database)) if plan.profiled else ()
        gateway.stop()
    shutil.rmtree(root)
    rates = images / (acknowledged - start), images / (ended - start)
    return Row(receivers, workers, senders, *rates, spent, told)


def send(root: Path, node: DicomNode, senders: int, images: int) -> tuple[float, float, float]:
    """Send at full speed; return the times of the first C-STORE, the last 0x0000 and the last result."""
    return send_from(root, ready_senders(root, node, senders, images), images)


def ready_senders(root: Path, node: DicomNode, senders: int, images: int) -> list[Sender]:
    """Return senders that share new images and wait for their start."""
    files = write_radiographs(root / "sent", images)
    return [Sender(node, 0.0, share) for share in shares(files, senders)]


def send_from(root: Path, sending: Sequence[Sender], images: int) -> tuple[float, float, float]:
    """Start the senders; see `send`."""
    expected = 2 * images + len(_results(root))
    start = time.time() + LEAD_SECONDS
    for sender in sending:
        sender.start(start)
    acknowledged = max(at for sender in sending for at in sender.acknowledged().values())
    wait_for(lambda: len(_results(root)) == expected)
    ended = max(path.stat().st_mtime for path in _results(root))
    shutil.rmtree(root / "sent")
    return start, acknowledged, ended


def _results(root: Path) -> list[Path]:
    return list((root / "out").glob("*/[!.]*"))


def disk_mb_per_second(root: Path, writers: int, files: int) -> float:
    """Return the rate of files of an image's size that are written and fsynced by `writers` threads."""
    root.mkdir()
    content = os.urandom(int(MB * 1e6))

    def write(number: int) -> None:
        draft = Draft(root)
        draft.write(content)
        draft.finish(root / str(number))

    start = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(files)))
    seconds = time.perf_counter() - start
    shutil.rmtree(root)
    return files * MB / seconds


def main(
    gpu: Annotated[bool, typer.Option("--gpu", help="Run the network on the GPU.")] = False,
    senders: Annotated[int, typer.Option(help="Senders at full speed.")] = 8,
    images: Annotated[int, typer.Option(help="Images of each run.")] = 240,
    pairs: Annotated[
        str, typer.Option(help="Receivers and workers of each run, as 1:1,2:4; default 1, 2, 4, … of both.")
    ] = "",
    folder: Annotated[Path | None, typer.Option(help="Measure on this disk.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Print what an image waits for, too.")] = False,
) -> None:
    """Print the scaling table of this machine."""
    counts = [pair(text) for text in pairs.split(",")] if pairs else _doublings(len(os.sched_getaffinity(0)))
    console = Console(width=140, highlight=False)
    table = Table(
        "receivers", "workers", "senders", "acknowledged/s", "answered/s", "MB/s", "ms/image", box=box.SIMPLE
    )
    with tempfile.TemporaryDirectory(dir=folder, prefix="benchmarks-") as temporary:
        root = Path(temporary)
        disk = disk_mb_per_second(root / "disk", senders, images)
        for row in measure(root, counts, Plan(senders, images, "cuda" if gpu else "cpu", profile)):
            table.add_row(*_cells(row))
            for line in row.profile:
                console.print(f"{row.receivers}:{row.workers} {line}")
    console.print(f"the disk alone, {senders} writers, hashed and fsynced: {disk:.0f} MB/s")
    console.print(table)


def _cells(row: Row) -> list[str]:
    spent = ", ".join(f"{name} {ms:.0f}" for name, ms in sorted(row.processor.items()))
    counts = [str(row.receivers), str(row.workers), str(row.senders)]
    return [*counts, f"{row.acknowledged:.1f}", f"{row.answered:.1f}", f"{row.acknowledged * MB:.0f}", spent]


def pair(text: str) -> tuple[int, int]:
    """Return receivers and workers as `2:4` names them."""
    receivers, workers = text.split(":")
    return int(receivers), int(workers)


def _doublings(cores: int) -> list[tuple[int, int]]:
    """Return 1, 2, 4, … workers up to the cores, each with a quarter as many receivers."""
    return [(max(1, count // 4), count) for count in (1, 2, 4, 8, 16, 32, 64) if count <= cores]


if __name__ == "__main__":
    typer.run(main)

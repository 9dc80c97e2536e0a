"""RECEIVE: rate of receiving 10 MB radiographs with fsync, beside DCMTK's storescp without fsync.

The senders are DCMTK's dcmsend.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import yaml

from benchmarks.dcmtk import StoreScp, dcmsend, storescp
from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.radiograph import MB, write_radiographs
from benchmarks.stopwatch import peak_mb

SENDERS = (1, 4)

Receiver = Callable[[Path], AbstractContextManager[StoreScp]]


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Measure both receivers with one and with four senders."""
    batches = [root / f"sender-{number}" for number in range(max(SENDERS))]
    for batch in batches:
        write_radiographs(batch, effort.received)
    figures = [_figure(root, batches[:count], effort.rounds) for count in SENDERS]
    for batch in batches:
        shutil.rmtree(batch)
    return figures


def storescp_peak_mb(root: Path, effort: Effort) -> float:
    """Return the peak memory of a storescp for one association, in MB."""
    batch = root / "sender"
    write_radiographs(batch, effort.received)
    with _emptied(root / "dcmtk") as folder, storescp(folder) as listener:
        subprocess.run(dcmsend(listener.port, batch), check=True)
        peak = peak_mb(listener.pid)
    shutil.rmtree(batch)
    return peak


def _figure(root: Path, batches: Sequence[Path], rounds: int) -> Figure:
    gateway = _best(_gateway, root / "gateway", batches, rounds)
    dcmtk = _best(_dcmtk, root / "dcmtk", batches, rounds)
    name = f"receive and fsync, {len(batches)} sender{'s' * (len(batches) > 1)}"
    return Figure(name, gateway, "MB/s", Yardstick("storescp, no fsync", dcmtk))


def _best(receiver: Receiver, folder: Path, batches: Sequence[Path], rounds: int) -> float:
    return max(_rate(receiver, folder, batches) for _ in range(rounds))


def _rate(receiver: Receiver, folder: Path, batches: Sequence[Path]) -> float:
    """Return MB/s over all senders together, from the first start to the last end."""
    images = sum(len(list(batch.iterdir())) for batch in batches)
    with _emptied(folder), receiver(folder) as listener:
        start = time.perf_counter()
        senders = [subprocess.Popen(dcmsend(listener.port, batch)) for batch in batches]
        ended = [sender.wait() for sender in senders]
        seconds = time.perf_counter() - start
        assert not any(ended), "a sender failed"
        assert len(_kept(folder)) == images, "an image is missing"
        return images * MB / seconds


def _kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > MB * 1e6]


@contextmanager
def _gateway(folder: Path) -> Iterator[StoreScp]:
    """Run the gateway's receiver alone, on a ledger that is there: a supervised role makes none."""
    config = folder / "gateway.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(folder / "var"), "scp": {"port": 0}}))
    gateway = [sys.executable, "-m", "gateway"]
    subprocess.run([*gateway, "migrate", "--config", config], check=True, capture_output=True)
    command = [*gateway, "receive", "--supervised", "--config", config]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        ready = dict(word.split("=", 1) for word in process.stdout.readline().split()[1:])
        yield StoreScp(int(ready["port"]), process.pid)
        process.terminate()


@contextmanager
def _dcmtk(folder: Path) -> Iterator[StoreScp]:
    """Run a storescp with one process per association, its fastest way."""
    with storescp(folder, "--fork") as listener:
        yield listener


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)

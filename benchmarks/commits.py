"""COMMITS: rows of received images that receivers commit to one SQLite ledger while the disk takes images.

The yardstick is the same ledger where SQLite syncs its log while it holds the write lock
(`synchronous=FULL`). `python -m benchmarks.commits` prints these rows alone.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.figure import FULL, Effort, Figure, Yardstick
from benchmarks.radiograph import MB
from benchmarks.table import print_table
from gateway.files.draft import Draft
from gateway.store.database import make_database, open_engine
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from tests.support.ledger_rows import received

RECEIVERS = (1, 4)
SENDERS = 8  # of each receiver
ROWS = 10  # of each sender, times `Effort.repeats`


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Measure one and several receivers."""
    return [_figure(root / str(receivers), receivers, ROWS * effort.repeats) for receivers in RECEIVERS]


def _figure(folder: Path, receivers: int, rows: int) -> Figure:
    after, within = (_rows_per_second(folder, receivers, rows, lock_held=held) for held in (False, True))
    name = f"rows of received images, {receivers} × {SENDERS} senders, busy disk"
    return Figure(name, after, "rows/s", Yardstick("synced with the write lock", within))


def _rows_per_second(folder: Path, receivers: int, rows: int, *, lock_held: bool) -> float:
    folder.mkdir()
    make_database(folder / "gateway.sqlite")
    upgrade(_engine(folder, lock_held=lock_held))
    context = multiprocessing.get_context("spawn")
    both_ends = context.Barrier(receivers + 1)
    arguments = [(folder, number, rows, lock_held, both_ends) for number in range(receivers)]
    processes = [context.Process(target=_receive, args=each) for each in arguments]
    with _images_written(folder):
        for process in processes:
            process.start()
        both_ends.wait()
        start = time.perf_counter()
        both_ends.wait()
        seconds = time.perf_counter() - start
        for process in processes:
            process.join()
    shutil.rmtree(folder)
    return receivers * SENDERS * rows / seconds


def _receive(folder: Path, number: int, rows: int, lock_held: bool, both_ends: Barrier) -> None:
    ledger = Ledger(_engine(folder, lock_held=lock_held), folder)

    def send(sender: int) -> None:
        for row in range(rows):
            uid = f"1.2.{number}.{sender}.{row}"
            ledger.record_received(replace(received(folder), sop_instance_uid=uid))

    both_ends.wait()
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send, range(SENDERS)))
    both_ends.wait()


def _engine(folder: Path, *, lock_held: bool) -> sa.Engine:
    engine = open_engine(f"sqlite:///{folder}/gateway.sqlite")
    if lock_held:
        sa.event.listen(engine, "connect", _sync_with_the_lock)
    return engine


def _sync_with_the_lock(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous=FULL")


@contextmanager
def _images_written(folder: Path) -> Iterator[None]:
    """Write images to the same disk, one after the other, each of them synced."""
    content, stopping = os.urandom(int(MB * 1e6)), threading.Event()

    def write() -> None:
        while not stopping.is_set():
            draft = Draft(folder)
            draft.write(content)
            draft.finish(folder / "image")
            (folder / "image").unlink()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        print_table("commits", measure(Path(temporary), FULL), markdown=True)

"""A running StorageSCP over a real spool and ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from structlog.testing import capture_logs

from gateway.processes.receiver import storage_scp
from gateway.receive.storage_scp import StorageSCP
from gateway.settings import SCP
from gateway.store.ledger import Ledger
from gateway.store.schema import instances
from gateway.store.spool import Spool
from tests.support.database import database_in
from tests.support.gateway_process import wait_for


@dataclass
class Receiver:
    """A StorageSCP that listens, with what it has kept and logged."""

    scp: StorageSCP
    spool: Spool
    engine: sa.Engine
    log: list[Any]

    @property
    def address(self) -> tuple[str, int]:
        return self.scp.address

    def rows(self) -> Sequence[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(instances).order_by(instances.c.id)).all()

    def files(self) -> list[Path]:
        return sorted(path for path in self.spool.root.rglob("*") if path.is_file())

    def events(self, name: str) -> list[Any]:
        return [entry for entry in self.log if entry["event"] == name]


@contextmanager
def receiving(
    folder: Path, spool: type[Spool] = Spool, ledger: type[Ledger] = Ledger, **settings: Any
) -> Iterator[Receiver]:
    """Run a StorageSCP; when the block ends it has stopped and left no thread."""
    engine = database_in(folder)
    kept = spool(folder / "spool")
    scp = storage_scp(SCP.model_validate({"port": 0} | settings), kept, ledger(engine, folder))
    before = set(threading.enumerate())
    with capture_logs() as log:
        scp.start()
        try:
            yield Receiver(scp, kept, engine, log)
        finally:
            scp.stop(10, silence_seconds=0)
            engine.dispose()
    assert_ended(set(threading.enumerate()) - before)


def assert_ended(threads: set[threading.Thread]) -> None:
    """Wait for threads that are about to end."""
    wait_for(lambda: threads.isdisjoint(threading.enumerate()))


def data_set_of(part_10_file: bytes) -> bytes:
    """Return the data set of a Part 10 file."""
    group_length = int.from_bytes(part_10_file[140:144], "little")
    return part_10_file[144 + group_length :]

"""A ledger's database for each test: migrated once in a process, copied for every test."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from gateway.store.database import make_database, open_engine
from gateway.store.migrate import upgrade


def database_in(folder: Path) -> sa.Engine:
    """Return an engine on `gateway.sqlite` in `folder`, which is made empty where it is missing."""
    file = folder / "gateway.sqlite"
    if not file.exists():
        file.write_bytes(_migrated())
    return _open(file)


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="gateway-ledger-") as folder:
        file = Path(folder) / "gateway.sqlite"
        make_database(file)
        engine = _open(file)
        upgrade(engine)
        engine.dispose()  # the last connection moves the write-ahead log into the file
        return file.read_bytes()


def _open(file: Path) -> sa.Engine:
    return open_engine(f"sqlite:///{file}")

"""UPGRADE: time of an upgrade from the schema of 0.1.0, on SQLite.

`python -m benchmarks.upgrade` multiplies the rows of a database that 0.1.0 wrote, and upgrades it.
"""

# ruff: noqa: S608 - every name in the SQL is of this file or of the schema

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from gateway.store.database import open_engine
from gateway.store.migrate import upgrade
from tests.support.gateway_process import ROOT

DUMP = ROOT / "tests" / "unit" / "store" / "databases" / "schema_0007.sql"
MODELS = 3
"""Images of the dump that are multiplied: two with feedback, and all with results that were replaced."""

_STEP = 1000  # between the numbers of one row's copies
_IMAGES = f"t.instance_id <= {MODELS}"
_CHOSEN = {
    "instances": f"t.id <= {MODELS}",
    "results": _IMAGES,
    "events": _IMAGES,
    "deliveries": f"t.result_id IN (SELECT id FROM results WHERE instance_id <= {MODELS})",
}
_KEYS = ("id", "instance_id", "result_id")


def main(images: Annotated[int, typer.Option(help="Images of the database, about.")] = 200_000) -> None:
    """Print the rows, and the time of the upgrade."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        file = Path(folder) / "gateway.db"
        _fill(file, images // MODELS)
        print(f"before: {_counts(file, _CHOSEN)}, {file.stat().st_size / 1e6:.0f} MB")
        begun, processor = time.perf_counter(), time.process_time()
        upgrade(open_engine(f"sqlite:///{file}"))
        spent, processor = time.perf_counter() - begun, time.process_time() - processor
        print(f"upgrade: {spent:.0f} s, {processor:.0f} s of processor time")
        print(f"after: {_counts(file, (*_CHOSEN, 'answers'))}")


def _fill(file: Path, copies: int) -> None:
    with sqlite3.connect(file) as database:
        database.executescript(DUMP.read_text())
        database.execute("CREATE TEMP TABLE n (i INTEGER PRIMARY KEY)")
        numbers = "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?)"
        database.execute(f"{numbers} INSERT INTO n SELECT i FROM k", (copies,))
        for table, chosen in _CHOSEN.items():
            unique = _unique(database, table)
            columns = [(row[1], row[2]) for row in database.execute(f"PRAGMA table_info({table})")]
            names = ", ".join(name for name, _ in columns)
            values = ", ".join(_value(name, kind, name in unique) for name, kind in columns)
            database.execute(
                f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t, n WHERE {chosen}"
            )
    database.close()


def _value(name: str, kind: str, is_unique: bool) -> str:
    """Return the SQL for a column of a copy; keys and unique texts get the copy's number."""
    if name in _KEYS:
        return f"t.{name} + {_STEP} * n.i"
    if is_unique and kind.startswith("VARCHAR") and name != "destination":
        return f"substr(t.{name} || '.' || n.i, -60)"
    return f"t.{name}"


def _unique(database: sqlite3.Connection, table: str) -> set[str]:
    indexes = [row[1] for row in database.execute(f"PRAGMA index_list({table})") if row[2]]
    return {row[2] for index in indexes for row in database.execute(f"PRAGMA index_info({index})")}


def _counts(file: Path, tables: Iterable[str]) -> str:
    with sqlite3.connect(file) as database:
        counts = [
            (database.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table) for table in tables
        ]
    database.close()
    return ", ".join(f"{count:,} {table}" for count, table in counts)


if __name__ == "__main__":
    typer.run(main)

"""`python -m tests.support.backfill FOLDER STUDIES`: a back-fill as a process of its own, to be killed.

The source is in memory, ledger and rows are real. A line for each study that ends goes to standard output.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from gateway.pull.query import Period, Query
from gateway.store.entries import Pull
from gateway.store.ledger import Ledger
from tests.support.archive_in_memory import MemorySource
from tests.support.database import database_in

QUERY = Query(Period(date(2026, 11, 1), date(2026, 11, 30)))


def cohort(studies: int) -> dict[str, list[str]]:
    """Return studies of one or two instances."""
    return {f"1.2.{n}": [f"1.2.{n}.1.{k}" for k in range(1 + n % 2)] for n in range(1, studies + 1)}


def tell(pull: Pull) -> None:
    """Write a line about a study."""
    sys.stdout.write(f"{pull.study_instance_uid} {pull.state}\n")
    sys.stdout.flush()


def main(folder: Path, studies: int) -> None:
    """Search, then fetch until nothing is due."""
    source = MemorySource(Ledger(database_in(folder), folder), folder, cohort(studies))
    puller = source.puller()
    puller.find(QUERY)
    puller.run(tell)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

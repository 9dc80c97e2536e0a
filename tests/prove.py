"""`make prove`: the durability proof on SQLite with a folder, then on a PostgreSQL server with a bucket.

That server is set up to lose what it has committed, and is killed, too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.moto import MOTO_PYTHON
from tests.support.postgresql import PostgreSQL

DATABASE_KILLS = 8


def prove(*arguments: str) -> int:
    """Run `gateway prove`; return its exit status."""
    return subprocess.run([sys.executable, "-m", "gateway", "prove", *arguments], check=False).returncode


@contextmanager
def careless_postgresql(folder: Path) -> Iterator[str]:
    """Run a server that answers before it writes, and that is back after each kill; yield its URL."""
    with PostgreSQL(folder, synchronous_commit="off", wal_writer_delay="10s") as server, server.revived():
        yield server.url


def over_s3() -> list[str]:
    """Return the options for images in a bucket, where its server is installed."""
    if not MOTO_PYTHON.exists():
        sys.stderr.write("not over a bucket: moto is missing; see tests/peers/install.sh\n")
        return []
    return ["--s3", f"{MOTO_PYTHON} -m moto.server -H {{host}} -p {{port}}"]


def main(*arguments: str) -> int:
    """Run both, with the same further arguments."""
    statuses = [prove(*arguments)]
    try:
        with tempfile.TemporaryDirectory() as folder, careless_postgresql(Path(folder)) as url:
            killed = ("--database", url, "--database-kills", str(DATABASE_KILLS))
            statuses.append(prove(*killed, *over_s3(), *arguments))
    except pytest.skip.Exception as missing:
        sys.stderr.write(f"not on PostgreSQL: {missing}\n")
    return max(map(abs, statuses))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""`make prove`: the durability proof on SQLite, then on a PostgreSQL server of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.postgresql import postgresql


def prove(*arguments: str) -> int:
    """Run `gateway prove`; return its exit status."""
    return subprocess.run([sys.executable, "-m", "gateway", "prove", *arguments], check=False).returncode


def main(*arguments: str) -> int:
    """Run both, with the same further arguments."""
    statuses = [prove(*arguments)]
    try:
        with tempfile.TemporaryDirectory() as folder, postgresql(Path(folder)) as url:
            statuses.append(prove("--database", url, *arguments))
    except pytest.skip.Exception as missing:
        sys.stderr.write(f"not on PostgreSQL: {missing}\n")
    return max(map(abs, statuses))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

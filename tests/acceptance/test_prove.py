"""`gateway prove`, in small: `make prove` runs it in full, on SQLite and on PostgreSQL."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_gateway_killed_at_many_points_loses_nothing_and_answers_nothing_twice() -> None:
    command = [sys.executable, "-m", "gateway", "prove", "--images", "20", "--kills", "6", "--seed", "45"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = dict(line.rsplit(maxsplit=1) for line in map(str.strip, done.stdout.splitlines()) if line)
    assert counted["kills"] == "6"
    assert counted["acknowledged"] == counted["answered"] == "20"
    assert counted["lost"] == counted["duplicated result objects"] == "0"

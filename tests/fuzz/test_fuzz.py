"""The fuzzer for a moment, in every run, and for a minute, in the gate; `make fuzz` runs it for an hour."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seconds", ["6", pytest.param("60", marks=pytest.mark.slow)])
def test_nothing_is_found(seconds: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", seconds, "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("inputs, seeds 1 to") == 3

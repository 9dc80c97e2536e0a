"""The fuzzer for as long as a test may take; `make fuzz` runs it for an hour."""

import subprocess
import sys

SECONDS = "30"


def test_nothing_is_found_in_half_a_minute() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", SECONDS, "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("inputs, seeds 1 to") == 3

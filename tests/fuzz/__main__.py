"""`make fuzz`: every target for a share of the time, each in a process whose death or silence is noticed."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

TARGETS = ("data_sets", "files", "associations")
GRACE_SECONDS = 90  # for the start, for finding the least harmful input, and for the end


def main() -> int:
    """Return 0 only if nothing was found; what was is kept under the name that is printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the others count on")
    arguments = parser.parse_args()
    share = arguments.seconds / len(TARGETS)
    sys.stdout.write(f"fuzzing for {arguments.seconds:g} s from seed {arguments.seed}\n")
    return max([fuzz(target, arguments.seed, share) for target in TARGETS])


def fuzz(target: str, seed: int, seconds: float) -> int:
    """Fuzz one target; return 0 if it ended well."""
    current = Path(tempfile.gettempdir()) / f"cxr-gateway-fuzz-{target}"
    command = [sys.executable, "-m", "tests.fuzz.campaign", target, str(seed), str(seconds), str(current)]
    try:
        status = subprocess.run(command, check=False, timeout=seconds + GRACE_SECONDS).returncode
    except subprocess.TimeoutExpired:
        status = -1
    if status:
        sys.stdout.write(f"{target}: ended with status {status}; the last input is {current}\n")
        return 1
    current.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())

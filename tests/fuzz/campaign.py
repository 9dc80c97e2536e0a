"""One target in a process of its own: `python -m tests.fuzz.campaign TARGET SEED SECONDS FILE`."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, BrokenError, Run

EXAMPLES_A_ROUND = 200
GROWTH_MB = 96  # of the resident memory between the first round and the last
_PHASES = (Phase.generate, Phase.shrink)


def main(target: str, first_seed: int, seconds: float, current: Path) -> None:
    """Run rounds of examples, each of its own seed, until the time is up; then compare what is in use."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    with TARGETS[target]() as (originals, run):
        examples = 0

        def kept(number: int, data: bytes) -> None:
            nonlocal examples
            examples += 1
            current.write_bytes(data)  # if it ends this process, the input is there
            run(number, data)

        round_number, before = 0, (0, 0, 0)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _one_round(originals, kept, first_seed + round_number, deadline)
            round_number += 1
            before = before if round_number > 1 else in_use()
        after = in_use()
    sys.stdout.write(
        f"{target}: {examples} inputs, seeds {first_seed} to {first_seed + round_number - 1}; "
        f"memory {before[0]} to {after[0]} MB, threads {before[1]} to {after[1]}, "
        f"open files {before[2]} to {after[2]}\n"
    )
    _require_no_growth(before, after)


def _one_round(originals: list[bytes], run: Run, number: int, deadline: float) -> None:
    @seed(number)
    @settings(
        max_examples=EXAMPLES_A_ROUND,
        deadline=None,
        database=None,
        phases=_PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(originals))
    def examples(example: tuple[int, bytes]) -> None:
        if time.monotonic() < deadline:
            run(*example)

    examples()


def in_use() -> tuple[int, int, int]:
    """Return resident memory in MB, threads and open files, once the threads that end have ended."""
    patience = time.monotonic() + 60
    while threading.active_count() > 2 and time.monotonic() < patience:
        time.sleep(0.1)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") >> 20
    return megabytes, threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def _require_no_growth(before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    if after[0] > before[0] + GROWTH_MB or after[1] > before[1] or after[2] > before[2]:
        raise BrokenError("memory, threads or open files grow")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))

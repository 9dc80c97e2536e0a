"""A process whose end, or whose hanging, is the doing of what it had in hand, and of nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, Retry
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Lost, Sandbox, hatch

ENOUGH = 60.0  # seconds that nothing here takes


def begin(started: Path) -> None:
    with started.open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


def cannot_begin(error: Exception) -> None:
    raise error


def end_at_once() -> None:
    os._exit(3)


def knows(module: str) -> bool:
    return module in sys.modules


def limited() -> None:
    limit_memory(1)


def allocate(size: int) -> int:
    return len(bytearray(size))


def test_what_wants_too_much_memory_ends_and_not_the_process() -> None:
    process = Sandbox("tests", limited)
    try:
        with pytest.raises(MemoryError):
            process.ask(ENOUGH, allocate, 4 << 30)
        pid = process.pid
        assert process.ask(ENOUGH, allocate, 64 << 20) == 64 << 20
        assert process.pid == pid
    finally:
        process.close()


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[Sandbox]:
    process = Sandbox("tests", begin, tmp_path / "started")
    yield process
    process.close()


def test_one_process_begins_once_and_does_all_the_work(spare: Sandbox, tmp_path: Path) -> None:
    assert {spare.ask(ENOUGH, os.getpid) for _ in range(3)} == {spare.pid}
    assert (tmp_path / "started").read_text().split() == [str(spare.pid)]
    assert spare.pid != os.getpid()


def test_what_ends_the_process_is_told_and_the_next_is_served(spare: Sandbox) -> None:
    with pytest.raises(Lost):
        spare.ask(ENOUGH, end_at_once)
    assert spare.ask(ENOUGH, abs, -1) == 1


def test_what_hangs_is_ended(spare: Sandbox) -> None:
    hung = spare.ask(ENOUGH, os.getpid)
    with pytest.raises(Lost):
        spare.ask(0.2, time.sleep, ENOUGH)
    assert spare.ask(ENOUGH, os.getpid) != hung


def test_nothing_is_blamed_for_a_process_that_ended_with_nothing_in_hand(spare: Sandbox) -> None:
    idle = spare.ask(ENOUGH, os.getpid)
    assert spare._pool
    waiting = spare._pool.submit(time.sleep, ENOUGH)  # tells when the end has been noticed
    os.kill(idle, signal.SIGKILL)
    assert waiting.exception(ENOUGH)
    assert spare.ask(ENOUGH, abs, -1) == 1


def test_signals_to_the_group_are_left_to_the_owner(spare: Sandbox) -> None:
    process = spare.ask(ENOUGH, os.getpid)
    os.kill(process, signal.SIGTERM)
    assert spare.ask(ENOUGH, os.getpid) == process


@pytest.mark.parametrize(
    ("error", "told"),
    [(ConfigurationError("no model"), ConfigurationError), (ValueError("a bug"), Retry)],
)
def test_why_it_does_not_start_is_told(error: Exception, told: type[Exception]) -> None:
    with pytest.raises(told, match=str(error)):
        Sandbox("tests", cannot_begin, error).ask(ENOUGH, abs, -1)


FORKING = """
import colorsys, os
from gateway.sandbox.process import hatch

STARTED = "'--multiprocessing-fork' in __import__('sys').orig_argv"
processes = []
for _ in range(2):
    processes.append(hatch('colorsys'))
    print(processes[-1].submit(eval, STARTED).result(), flush=True)
os._exit(0)
"""


def test_a_process_is_forked_where_its_module_is_known_and_no_thread_runs() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=ENOUGH, check=True
    ).stdout
    assert told.split() == ["False", "True"]


@pytest.mark.parametrize("ended", [False, True])
def test_a_process_that_has_hatched_is_the_first_unless_it_has_ended(tmp_path: Path, ended: bool) -> None:
    hatched = hatch("colorsys")
    pid = hatched.submit(os.getpid).result(ENOUGH)
    if ended:
        os.kill(pid, signal.SIGKILL)
    process = Sandbox("tests", begin, tmp_path / "started", hatched=hatched)
    try:
        assert process.ask(ENOUGH, knows, "colorsys") is not ended
        assert (process.pid == pid) is not ended
        assert (tmp_path / "started").read_text().split() == [str(process.pid)]
    finally:
        process.close()

"""A process whose end, or whose hanging, is the doing of what it had in hand, and of nothing else."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigurationError, Retry
from gateway.sandbox import child, process
from gateway.sandbox.child import hatch
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Lost, Sandbox

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
    sandbox = Sandbox("tests", limited)
    try:
        with pytest.raises(MemoryError):
            sandbox.ask(ENOUGH, allocate, 4 << 30)
        pid = sandbox.pid
        assert sandbox.ask(ENOUGH, allocate, 64 << 20) == 64 << 20
        assert sandbox.pid == pid
    finally:
        sandbox.close()


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox("tests", begin, tmp_path / "started")
    yield sandbox
    sandbox.close()


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
    os.kill(idle, signal.SIGKILL)
    os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)
    assert spare.ask(ENOUGH, abs, -1) == 1


def halve_the_next_answer(number: int) -> None:
    """Let the process send half of its next answer, and then get a signal."""

    def send_half(owner: socket.socket, message: bytes) -> None:
        owner.sendall(len(message).to_bytes(8, "big") + message[: len(message) // 2])
        os.kill(os.getpid(), number)

    child._send = send_half


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_ends_or_stops_amid_its_answer_is_lost_in_time(spare: Sandbox, number: int) -> None:
    spare.ask(ENOUGH, halve_the_next_answer, number)
    with pytest.raises(Lost):
        spare.ask(0.2 if number == signal.SIGSTOP else ENOUGH, bytes, 1000)
    assert spare.ask(ENOUGH, abs, -1) == 1


def spoil_the_next_answer(announced: int, content: bytes) -> None:
    """Let the process answer as if a decoder had written over its memory."""
    child._send = lambda owner, _: owner.sendall(announced.to_bytes(8, "big") + content)


@pytest.mark.parametrize(("announced", "content"), [(4, b"junk"), (1 << 31, b""), ((1 << 64) - 1, b"")])
def test_a_process_that_answers_no_message_is_lost(spare: Sandbox, announced: int, content: bytes) -> None:
    before = spare.ask(ENOUGH, os.getpid)
    spare.ask(ENOUGH, spoil_the_next_answer, announced, content)
    with pytest.raises(Lost):
        spare.ask(ENOUGH, abs, -1)
    assert spare.ask(ENOUGH, os.getpid) != before


class Faulty:
    """A socket one of whose calls fails as often as it is told."""

    def __init__(self, end: socket.socket, call: str, faults: int) -> None:
        self._end, self._call, self._faults = end, call, faults

    def __getattr__(self, name: str) -> Any:
        return partial(self._fail, name) if name == self._call else getattr(self._end, name)

    def _fail(self, name: str, content: memoryview) -> Any:
        self._faults -= 1
        if self._faults >= 0:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return getattr(self._end, name)(content)


def break_socket(sandbox: Sandbox, call: str, faults: int, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(child, "PAUSE_SECONDS", 0)
    assert sandbox._child
    patch.setattr(sandbox._child, "_socket", Faulty(sandbox._child._socket, call, faults))


@pytest.mark.parametrize("call", ["send", "recv_into"])
def test_a_fault_that_passes_costs_nothing(
    spare: Sandbox, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spare.ask(ENOUGH, os.getpid)
    break_socket(spare, call, child.FAULTS, monkeypatch)
    assert spare.ask(ENOUGH, os.getpid) == before


def test_work_that_a_process_does_not_get_is_done_by_the_next_one(
    spare: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spare.ask(ENOUGH, os.getpid)
    break_socket(spare, "send", sys.maxsize, monkeypatch)
    assert spare.ask(ENOUGH, os.getpid) != before


def test_an_answer_that_cannot_be_received_is_for_later_and_blames_nothing(
    spare: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = spare.ask(ENOUGH, os.getpid)
    break_socket(spare, "recv_into", sys.maxsize, monkeypatch)
    with pytest.raises(Retry, match="Cannot allocate memory"):
        spare.ask(ENOUGH, os.getpid)
    assert spare.ask(ENOUGH, os.getpid) != before


def cannot_start(_: BaseProcess) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_process_that_cannot_be_had_is_for_later(spare: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(BaseProcess, "start", cannot_start)
        with pytest.raises(Retry, match="Too many open files"):
            spare.ask(ENOUGH, abs, -1)
    assert spare.ask(ENOUGH, abs, -1) == 1


def open_and_hang(fifo: Path) -> None:
    fifo.open("rb").read()


def test_a_closed_process_does_no_work_and_blames_none(spare: Sandbox, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(spare.ask, ENOUGH, open_and_hang, tmp_path / "fifo") for _ in range(3)]
        with (tmp_path / "fifo").open("wb"):  # the first is at work
            spare.close()
            for each in asked:
                with pytest.raises(Retry, match="closed"):
                    each.result()
    with pytest.raises(Retry, match="closed"):
        spare.ask(ENOUGH, abs, -1)
    assert (tmp_path / "started").read_text().split() == [str(spare.pid)]


def test_a_process_that_starts_while_it_is_closed_is_ended(
    spare: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def close_meanwhile() -> child.Child:
        started.append(child.Child())
        spare.close()
        return started[0]

    monkeypatch.setattr(process, "Child", close_meanwhile)
    with pytest.raises(Retry, match="closed"):
        spare.ask(ENOUGH, abs, -1)
    assert not Path(f"/proc/{started[0].pid}/exe").exists()


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def test_a_process_that_stops_while_it_begins_is_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_SECONDS", 0.2)
    with pytest.raises(Retry, match="timed out"):
        Sandbox("tests", stop).ask(ENOUGH, abs, -1)


def test_threads_get_the_answers_to_their_own_questions(spare: Sandbox) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(partial(spare.ask, ENOUGH, abs), range(-40, 0))) == [*range(40, 0, -1)]


class Unreadable(Exception):  # noqa: N818
    """Pickle cannot make it again."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} or {right}")


def fail() -> None:
    raise Unreadable(1, 2)


def test_an_error_that_cannot_be_pickled_is_told_as_another(spare: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="1 or 2"):
        spare.ask(ENOUGH, fail)
    assert spare.ask(ENOUGH, os.getpid) == spare.pid


ENDING = """
import os
from gateway.sandbox.process import Sandbox

Sandbox("tests", os.getpid).ask(60, abs, -1)
kept = Sandbox("tests", os.getpid)
print(kept.ask(60, os.getpid))
"""


def test_an_owner_that_ends_without_closing_is_not_held() -> None:
    told = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=ENOUGH, check=True
    )
    assert not told.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.stdout), 0)


def test_signals_to_the_group_are_left_to_the_owner(spare: Sandbox) -> None:
    before = spare.ask(ENOUGH, os.getpid)
    os.kill(before, signal.SIGTERM)
    assert spare.ask(ENOUGH, os.getpid) == before


@pytest.mark.parametrize(
    ("error", "told"),
    [(ConfigurationError("no model"), ConfigurationError), (ValueError("a bug"), Retry)],
)
def test_why_it_does_not_start_is_told(error: Exception, told: type[Exception]) -> None:
    with pytest.raises(told, match=str(error)):
        Sandbox("tests", cannot_begin, error).ask(ENOUGH, abs, -1)


FORKING = """
import colorsys, os, threading
from gateway.sandbox.child import hatch
from gateway.sandbox.process import Sandbox

STARTED = "'--multiprocessing-fork' in __import__('sys').orig_argv"


def tell():
    sandbox = Sandbox("tests", os.getpid, hatched=hatch("colorsys"))
    print(sandbox.ask(60, eval, STARTED), flush=True)
    return sandbox


first = tell()
tell().close()  # the first is its sibling
first.close()
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
tell()
"""


def test_a_process_is_forked_where_its_module_is_known_and_neither_thread_nor_child_runs() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=ENOUGH, check=True
    ).stdout
    assert told.split() == ["False", "True", "True"]


@pytest.mark.parametrize("ended", [False, True])
def test_a_process_that_has_hatched_is_the_first_unless_it_has_ended(tmp_path: Path, ended: bool) -> None:
    hatched = hatch("colorsys")
    if ended:
        os.kill(hatched.pid, signal.SIGKILL)
    sandbox = Sandbox("tests", begin, tmp_path / "started", hatched=hatched)
    try:
        assert sandbox.ask(ENOUGH, knows, "colorsys") is not ended
        assert (sandbox.pid == hatched.pid) is not ended
        assert (tmp_path / "started").read_text().split() == [str(sandbox.pid)]
    finally:
        sandbox.close()

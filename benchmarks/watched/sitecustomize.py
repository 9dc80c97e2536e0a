"""Counts what a process of the gateway waits for; Python imports this file at its start when the folder is on
PYTHONPATH. `benchmarks.waits` reads the counts."""

import functools
import json
import os
import stat
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.store.turns import Turns

INTERVAL_SECONDS = 0.1
ROLES = ("serve", "receive", "work", "web")

_counts: defaultdict[str, int] = defaultdict(int)
_seconds: defaultdict[str, float] = defaultdict(float)
_lock = threading.Lock()


def _note(name: str, since: float) -> None:
    spent = time.perf_counter() - since
    with _lock:
        _counts[name] += 1
        _seconds[name] += spent


def _timed(name: str | Callable[..., str], function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        kind = name if isinstance(name, str) else name(*arguments)
        since = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            _note(kind, since)

    return timed


def _kind(descriptor: int) -> str:
    return "fsync of a folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync of a file"


def _timed_turns() -> None:
    take, give = Turns.take, Turns.give
    taken: dict[int, float] = {}  # one writer of a process has the turn at a time

    def timed_take(turns: Turns, seconds: float) -> bool:
        since = time.perf_counter()
        has_it = take(turns, seconds)
        _note("wait for the turn", since)
        taken[id(turns)] = time.perf_counter()
        return has_it

    def timed_give(turns: Turns) -> None:
        since = taken.get(id(turns), time.perf_counter())
        give(turns)
        _note("turn held", since)

    Turns.take, Turns.give = timed_take, timed_give  # type: ignore[method-assign]


def _report() -> None:
    role = next((each for each in sys.orig_argv if each in ROLES), "sandboxes")
    path = Path(os.environ["WAITS"]) / f"{role}-{os.getpid()}.json"
    beside = path.with_suffix(".part")
    while True:
        time.sleep(INTERVAL_SECONDS)
        with _lock:
            told = {name: [_counts[name], _seconds[name]] for name in _counts}
        beside.write_text(json.dumps(told))
        beside.replace(path)


def _begin() -> None:
    _counts.clear()
    _seconds.clear()
    threading.Thread(target=_report, daemon=True).start()


os.fsync = _timed(_kind, os.fsync)
os.fdatasync = _timed("sync of the log", os.fdatasync)
os.copy_file_range = _timed("copy within the system", os.copy_file_range)
_timed_turns()
if "WAITS" in os.environ:
    os.register_at_fork(after_in_child=_begin)
    _begin()

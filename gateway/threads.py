"""Vital threads: a role with a vital thread that has ended or hangs ends itself, to be started again.

Couriers, collectors, log writers and watchers are vital. Each role asks `failed_vital` with its heartbeat.
A thread that others wait for starts within `START_SECONDS`, or not at all (`bound_start`).

Private name of CPython used here: `Thread._started`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

START_SECONDS = 5.0
"""Longest wait for a thread to begin."""


def bound_start(thread: threading.Thread) -> None:
    """Let `start` of a thread raise `RuntimeError` where it does not begin in time; it does nothing then.

    CPython waits for ever for a thread that ends before its first step, as the first memory of its own may
    not be there.
    """
    thread._started = _Started(thread)  # type: ignore[attr-defined]


class _Started(threading.Event):
    def __init__(self, thread: threading.Thread) -> None:
        super().__init__()
        self._thread = thread

    def wait(self, timeout: float | None = None) -> bool:
        if not super().wait(START_SECONDS if timeout is None else timeout):
            self._thread.name = "never begun"
            self._thread.run = lambda: None  # type: ignore[method-assign]
            raise RuntimeError("can't start new thread: it does not begin")
        return True


class Vital(threading.Thread):
    """A thread that must run from its start until its release.

    Parameters
    ----------
    hangs_seconds
        The thread counts as hanging when its last `note_progress` is older.
    """

    def __init__(self, run: Callable[[], None], name: str, hangs_seconds: float = float("inf")) -> None:
        super().__init__(target=run, name=name, daemon=True)
        self._hangs_seconds = hangs_seconds
        self._heard_at = monotonic()

    def start(self) -> None:
        """Start the thread; from now on it must not end."""
        super().start()
        _vital.append(self)

    def note_progress(self) -> None:
        """Note that the thread makes progress."""
        self._heard_at = monotonic()

    def release(self) -> None:
        """Allow the thread to end."""
        with suppress(ValueError):  # all have been released
            _vital.remove(self)

    def problem(self) -> str | None:
        """Return the failure in words, None while the thread is well."""
        if not self.is_alive():
            return "has ended"
        silent = monotonic() - self._heard_at
        return f"hangs for {silent:.0f} s" if silent > self._hangs_seconds else None


_vital: list[Vital] = []  # of this process


def failed_vital() -> dict[str, str]:
    """Return the failure of each failed vital thread of this process, by name.

    A thread that was released meanwhile may have ended.
    """
    failed = [(each, problem) for each in list(_vital) if (problem := each.problem())]
    return {each.name: problem for each, problem in failed if each in _vital}


def release_vital() -> None:
    """Allow every vital thread to end: the process stops in order."""
    _vital.clear()

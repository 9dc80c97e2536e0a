"""Threads that a role cannot do without. When one has ended or hangs, the role ends, and is started again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic


class Vital(threading.Thread):
    """One of them, from its start until `release_vital`.

    Parameters
    ----------
    hangs_seconds
        It hangs when it has not called `note_progress` for so long.
    """

    def __init__(self, run: Callable[[], None], name: str, hangs_seconds: float = float("inf")) -> None:
        super().__init__(target=run, name=name, daemon=True)
        self._hangs_seconds = hangs_seconds
        self._heard_at = monotonic()

    def start(self) -> None:
        """Start it; from now on it must not end."""
        super().start()
        _vital.append(self)

    def note_progress(self) -> None:
        """Say that it has got on."""
        self._heard_at = monotonic()

    def release(self) -> None:
        """Let it end."""
        with suppress(ValueError):  # all have been released
            _vital.remove(self)

    def problem(self) -> str | None:
        """Return how it fails, None while it does not."""
        if not self.is_alive():
            return "has ended"
        silent = monotonic() - self._heard_at
        return f"hangs for {silent:.0f} s" if silent > self._hangs_seconds else None


_vital: list[Vital] = []  # of this process


def failed_vital() -> dict[str, str]:
    """Return what is wrong with vital threads, by name."""
    return {each.name: problem for each in _vital if (problem := each.problem())}


def release_vital() -> None:
    """Let them end: the process stops in order."""
    _vital.clear()

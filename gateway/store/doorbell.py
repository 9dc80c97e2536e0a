"""The doorbell: tells the workers of this machine that there is work in the ledger.

A session of the store rings after its commit; a worker's threads wait for the ring. A ring is a byte in a
FIFO of the data directory's run folder. Nothing depends on it: a worker looks into the ledger by itself every
`LOOK_SECONDS` and whenever something falls due, so that work whose ring was lost is late, never lost.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from gateway.files.folders import leave_to_owner

LOOK_SECONDS = 5.0
"""Longest time for which a worker relies on the doorbell."""

_RING = b"\0"
_MOST_RINGS = 65_536  # the capacity of a FIFO in bytes; further rings change nothing


class Work(StrEnum):
    """Kinds of work, each with bells of its own."""

    ANSWERS = "answers"  # images to be answered
    DELIVERIES = "deliveries"  # results to be delivered


class Bell(Protocol):
    """Anything that may be rung."""

    def ring(self, work: Work) -> None:
        """Wake whoever waits for this kind of work; returns at once and raises nothing."""


class Doorbells:
    """The bells of all workers that share a run folder.

    Parameters
    ----------
    folder
        `DataDirectory.run`; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ring(self, work: Work) -> None:
        """Wake every worker that waits for this kind of work; see `Bell`."""
        with suppress(OSError):  # no descriptor is left, or the disk is away: what rings is committed already
            for path in list(self._folder.glob(f"*.{work}")):
                with suppress(OSError):  # its worker has ended, or has not yet heard many earlier rings
                    _write_and_close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))


class Doorbell:
    """One worker's bell for one kind of work; one thread waits for it.

    Parameters
    ----------
    folder
        `DataDirectory.run`; it exists. Where it can hold no FIFO, only the worker itself can ring.
    worker_id
        The worker's, so that a restarted worker uses the same file.
    """

    def __init__(self, folder: Path, worker_id: str, work: Work) -> None:
        self._listened, self._rung = _open(folder / f"worker-{worker_id}.{work}")
        self._rings = select.poll()
        self._rings.register(self._listened, select.POLLIN)

    def ring(self) -> None:
        """Wake the thread that waits, or the next one that does."""
        with suppress(BlockingIOError):
            os.write(self._rung, _RING)

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, also one since the last wait, for at most so long; tell whether it rang."""
        has_rung = bool(self._rings.poll(1000 * max(0.0, seconds)))
        if has_rung:
            os.read(self._listened, _MOST_RINGS)
        return has_rung


def _open(path: Path) -> tuple[int, int]:
    """Return the ends of a bell to read and to write."""
    try:
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
            leave_to_owner(path)
        both = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    return both, both


def _write_and_close(descriptor: int) -> None:
    try:
        os.write(descriptor, _RING)
    finally:
        os.close(descriptor)

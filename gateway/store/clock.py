"""The clock of the ledger: that of the database server, so that several machines agree.

Leases, heartbeats and retry times are written by one machine and compared by another, whose own clock may be
minutes away. `gateway.store.postgresql` notes what the server's clock says; between two looks a clock that
nobody sets counts on. With SQLite there is one machine, and its own clock counts.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

FRESH_SECONDS = 30.0
"""Seconds for which the server's clock is trusted to run as this machine's."""

SLOW_ANSWER_SECONDS = 1.0
"""An answer that took longer says less than the look before it."""

_COUNTER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts on while a machine is suspended


class _Look(NamedTuple):
    """A time of the server's clock, and the counter of this machine at that moment."""

    time: datetime
    counter: float


_last: _Look | None = None


def now() -> datetime:
    """Return the time of the ledger, aware, UTC; within half of a round trip of the server's clock."""
    if _last is None:
        return datetime.now(UTC)
    return _last.time + timedelta(seconds=counter() - _last.counter)


def counter() -> float:
    """Return seconds of a clock that nobody sets, for `note`."""
    return time.clock_gettime(_COUNTER)


def note(server_time: datetime, asked: float) -> None:
    """Note what the server's clock says to a question that was asked when the counter stood at `asked`."""
    global _last
    answered = counter()
    if _last is None or answered - asked < SLOW_ANSWER_SECONDS:
        _last = _Look(server_time.astimezone(UTC), (asked + answered) / 2)


def is_old() -> bool:
    """Tell whether the server is to be asked again."""
    return _last is None or counter() - _last.counter > FRESH_SECONDS


def forget() -> None:
    """Go by this machine's clock again."""
    global _last
    _last = None

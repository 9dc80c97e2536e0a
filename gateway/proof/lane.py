"""The kills of one role, in order. `conduct` runs one lane for each of receiver, worker and database."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from gateway.proof.injection import Orders
from gateway.proof.plan import DATABASE, Kill
from gateway.proof.serving import Serving


class Lane:
    """Kills of one lane, one due at a time; `done` lists the finished kills."""

    def __init__(self, kills: Iterable[Kill], orders: Orders, serving: Serving) -> None:
        self._waiting = iter(kills)
        self._orders = orders
        self._serving = serving
        self._kill: Kill | None = None
        self._acknowledged = 0
        self.done: list[Kill] = []
        self._next()

    @property
    def begun(self) -> int:
        """The number of kills that are done: images come as kills proceed."""
        return len(self.done)

    @property
    def ended(self) -> bool:
        """True once no kill is left."""
        return self._kill is None

    def look(self, *, starved: bool, acknowledged: int, answered: int) -> None:  # noqa: ARG002 - see Course
        """Advance to the next kill if the current kill is done.

        A starved kill, whose point no image will pass, is carried out at once. A database is killed just
        after an acknowledgement, so that unwritten data would be lost.
        """
        is_new = acknowledged > self._acknowledged
        self._acknowledged = acknowledged
        if self._kill is None or (self._kill.lane == DATABASE and not is_new and not starved):
            return
        if starved and self._kill.point and self._orders.withdraw(self._kill):
            self._kill = replace(self._kill, victim=self._kill.lane, point=None)
        if self._is_done(self._kill):
            self.done.append(self._kill)
            self._next()

    def _next(self) -> None:
        self._kill = next(self._waiting, None)
        self._since = time.monotonic()
        if self._kill and self._kill.point:
            self._orders.give(self._kill)

    def _is_done(self, kill: Kill) -> bool:
        if kill.point:
            return self._orders.is_carried_out(kill)
        return time.monotonic() - self._since > kill.wait_seconds and self._serving.kill(kill.victim)

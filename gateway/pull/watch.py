"""The watch over one source: searches its windows when they are due, and fetches what is due in between.

The role `pull` runs one in a thread for each source with a schedule. Nothing that a source does ends the
thread; what is not done at a stop is done after the next start, by the rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from gateway.errors import Retry
from gateway.pull.puller import ROOM_SECONDS, Puller
from gateway.pull.query import Query, periods_between
from gateway.pull.schedule import Span, Window, covered_by, due_windows, is_quiet, next_search
from gateway.pull.source import NoRoom, SourceAway
from gateway.settings import Schedule
from gateway.store.clock import now
from gateway.store.pulls import Pulls
from gateway.store.source_rows import SourceRows
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

LOOK_SECONDS = 15.0
"""Longest wait before rows and clock are looked at again."""

_BUSY_SECONDS = 5.0  # after an error of database or disk


def _local() -> datetime:
    return datetime.now().astimezone().replace(tzinfo=None)


class Watch:
    """Searches and fetches from one source by schedule.

    Parameters
    ----------
    clock
        Returns the local time, without zone.
    """

    def __init__(
        self,
        puller: Puller,
        schedule: Schedule,
        pulls: Pulls,
        rows: SourceRows,
        stopping: threading.Event,
        clock: Callable[[], datetime] = _local,
    ) -> None:
        self._puller = puller
        self._schedule = schedule
        self._pulls = pulls
        self._rows = rows
        self._stopping = stopping
        self._clock = clock

    def run(self) -> None:
        """Watch until the gateway stops."""
        while not self._stopping.is_set():
            self._stopping.wait(self.look())

    def look(self) -> float:
        """Do what is due; return the seconds until the next look."""
        try:
            if is_quiet(self._schedule, self._clock()):
                return LOOK_SECONDS
            self._search()
            self._puller.run(may_go_on=self._may_go_on)
            self._rows.record_there(self._puller.name)
            return self._seconds_to_next()
        except SourceAway as away:
            return self._seconds_away(away)
        except NoRoom:
            return ROOM_SECONDS
        except (Retry, OSError) as problem:
            if not self._stopping.is_set():
                log_event(Event.WAITING, task=f"pull {self._puller.name}", reason=str(problem))
            return _BUSY_SECONDS

    def _search(self) -> None:
        name = self._puller.name
        for window in self._due():
            begun = self._clock()
            for period in periods_between(window.begin, window.end):
                again = None if window.lists_again is None else now() - window.lists_again
                self._puller.find(Query(period), listed_before=again)
            self._rows.record_searched(name, covered_by(window.span), begun)

    def _due(self) -> list[Window]:
        name = self._puller.name
        searched = self._rows.of(name).searched
        if not searched:  # the first start: no sweep in the middle of the day
            self._rows.record_searched(name, [Span.SWEEP], self._clock())
        return due_windows(self._schedule, self._clock(), self._rows.of(name).searched)

    def _may_go_on(self) -> bool:
        """Tell whether fetching goes on: a backlog keeps no search waiting."""
        if is_quiet(self._schedule, self._clock()):
            return False
        return self._until_search() > 0

    def _until_search(self) -> float:
        return next_search(self._schedule, self._clock(), self._rows.of(self._puller.name).searched)

    def _seconds_to_next(self) -> float:
        due = self._pulls.next_due(self._puller.name)
        until_due = (due - now()).total_seconds() if due is not None else LOOK_SECONDS
        return max(0.0, min(self._until_search(), until_due, LOOK_SECONDS))

    def _seconds_away(self, away: SourceAway) -> float:
        try:
            return self._rows.record_away(self._puller.name, str(away), away.retry_after or 0.0)
        except Retry:
            return _BUSY_SECONDS

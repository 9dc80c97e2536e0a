"""When a source is searched by schedule, and for which window. Pure: clock and rows come from `watch`.

Query/Retrieve knows no "changed since". Windows overlap instead: a short one often, a longer one for studies
that come late, and a daily sweep for those with a wrong clock or without a time. Rows tell which are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from gateway.settings import Schedule

AHEAD = timedelta(hours=1)
"""Scanners whose clock is fast write study times that are still to come."""


class Span(StrEnum):
    """The three windows."""

    RECENT = "recent"
    OVERLAP = "overlap"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Window:
    """A window that is due.

    Attributes
    ----------
    begin, end
        Local times, without zone.
    lists_again
        Where the source tells no number of instances: look again into studies that were listed so long ago;
        None: into none.
    """

    span: Span
    begin: datetime
    end: datetime
    lists_again: timedelta | None


def due_windows(schedule: Schedule, now: datetime, searched: Mapping[str, datetime]) -> list[Window]:
    """Return the windows to be searched now, the longest first; a longer one takes the place of shorter ones.

    Parameters
    ----------
    now
        Local time, without zone.
    searched
        When each window was searched last, likewise; a time that is still to come counts as never.
    """
    last = {span: at for span, at in searched.items() if at <= now}
    found = [
        *_sweep(schedule, now, last.get(Span.SWEEP)),
        *_overlap(schedule, now, last.get(Span.OVERLAP)),
        *_recent(schedule, now, last.get(Span.RECENT)),
    ]
    return found[:1]


def covered_by(span: Span) -> tuple[Span, ...]:
    """Return the windows that need no search of their own after one of this span."""
    spans = (Span.SWEEP, Span.OVERLAP, Span.RECENT)
    return spans[spans.index(span) :]


def next_search(schedule: Schedule, now: datetime, searched: Mapping[str, datetime]) -> float:
    """Return the seconds until the most frequent window is due."""
    last = searched.get(Span.RECENT)
    if last is None or last > now:
        return 0.0
    return max(0.0, schedule.recent_every_seconds - (now - last).total_seconds())


def is_quiet(schedule: Schedule, now: datetime) -> bool:
    """Tell whether a local time lies in the quiet hours."""
    return any(_contains(hours, now.time()) for hours in schedule.quiet_hours)


def _sweep(schedule: Schedule, now: datetime, last: datetime | None) -> list[Window]:
    at = datetime.combine(now.date(), time.fromisoformat(schedule.sweep_at))
    due_since = at if at <= now else at - timedelta(days=1)
    if last is not None and last >= due_since:
        return []
    begin = now - timedelta(days=schedule.sweep_days)
    return [Window(Span.SWEEP, begin, now + timedelta(days=1), timedelta(hours=20))]


def _overlap(schedule: Schedule, now: datetime, last: datetime | None) -> list[Window]:
    every = timedelta(minutes=schedule.overlap_every_minutes)
    if last is not None and now - last < every:
        return []
    begin = min(now, last or now) - timedelta(days=schedule.overlap_days)
    return [Window(Span.OVERLAP, begin, now + AHEAD, every)]


def _recent(schedule: Schedule, now: datetime, last: datetime | None) -> list[Window]:
    if last is not None and (now - last).total_seconds() < schedule.recent_every_seconds:
        return []
    begin = min(now, last or now) - timedelta(hours=schedule.recent_hours)
    return [Window(Span.RECENT, begin, now + AHEAD, None)]


def _contains(hours: str, moment: time) -> bool:
    begin, end = (time.fromisoformat(each) for each in hours.split("-"))
    return begin <= moment < end if begin <= end else moment >= begin or moment < end

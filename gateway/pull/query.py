"""Questions to a source, and its answers. Pure values; no protocol is known here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from gateway.store.entries import FoundStudy

DAY_BEGINS, DAY_ENDS = time(0, 0), time(23, 59, 59)
LEAST_SPAN = timedelta(minutes=1)
"""A period is not halved below this."""


@dataclass(frozen=True, slots=True)
class Period:
    """Study dates, and on a single day study times; both ends are included. Local time, as scanners write it.

    Attributes
    ----------
    first_time, last_time
        None: the whole day, with the studies that state no time.
    """

    first: date
    last: date
    first_time: time | None = None
    last_time: time | None = None

    def halves(self) -> tuple[Period, ...]:
        """Return two periods that cover this one, but for studies without a time; none below a minute."""
        if self.first < self.last:
            middle = self.first + (self.last - self.first) / 2
            return Period(self.first, middle), Period(middle + timedelta(days=1), self.last)
        begin = datetime.combine(self.first, self.first_time or DAY_BEGINS)
        end = datetime.combine(self.first, self.last_time or DAY_ENDS)
        if end - begin < LEAST_SPAN:
            return ()
        middle_time = (begin + (end - begin) / 2).replace(microsecond=0)
        return (
            Period(self.first, self.first, begin.time(), middle_time.time()),
            Period(self.first, self.first, (middle_time + timedelta(seconds=1)).time(), end.time()),
        )


def periods_between(begin: datetime, end: datetime) -> Iterator[Period]:
    """Yield the periods of a window: date and time are matched apart, so midnight divides it (PS3.4
    C.2.2.2.5).

    Parameters
    ----------
    begin, end
        Local times, without zone.
    """
    if begin.date() == end.date():
        yield Period(begin.date(), begin.date(), begin.time().replace(microsecond=0), end.time())
        return
    yield Period(begin.date(), begin.date(), begin.time().replace(microsecond=0), DAY_ENDS)
    middle = begin.date() + timedelta(days=1)
    if middle < end.date():
        yield Period(middle, end.date() - timedelta(days=1))
    yield Period(end.date(), end.date(), DAY_BEGINS, end.time())


@dataclass(frozen=True, slots=True)
class Query:
    """Which studies are asked for; None matches all. Identifiers match exactly: no wildcards are sent."""

    period: Period | None = None
    accession_number: str | None = None
    patient_id: str | None = None
    study_instance_uid: str | None = None

    def within(self, period: Period) -> Query:
        """Return the same question for another period."""
        return replace(self, period=period)


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series of a study; texts are empty where the source does not say."""

    series_instance_uid: str
    modality: str = ""
    body_part_examined: str = ""
    series_description: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Studies of one search.

    Attributes
    ----------
    answers
        How many the source named, those included that were not asked for.
    is_cut
        The source has more of them than the gateway reads.
    """

    studies: tuple[FoundStudy, ...]
    answers: int
    is_cut: bool = False

    @property
    def seems_cut(self) -> bool:
        """Tell whether the number of answers looks like a limit of the source, which cuts silently."""
        count = self.answers
        return self.is_cut or (count >= 100 and count % 50 == 0) or (count >= 64 and count & (count - 1) == 0)


def compact(day: date) -> str:
    """Return a date as a DA (PS3.5 6.2)."""
    return f"{day:%Y%m%d}"


def date_range(query: Query) -> str:
    """Return the Study Date to ask for, a range where it is more than a day; empty for any."""
    period = query.period
    if period is None:
        return ""
    first, last = compact(period.first), compact(period.last)
    return first if first == last else f"{first}-{last}"


def time_range(query: Query) -> str:
    """Return the range of Study Time to ask for; empty for any."""
    period = query.period
    if period is None or period.first_time is None or period.last_time is None:
        return ""
    return f"{period.first_time:%H%M%S}-{period.last_time:%H%M%S}"

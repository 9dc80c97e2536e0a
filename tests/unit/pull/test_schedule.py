"""Which window is due when; midnight, quiet hours, clocks that are set back."""

from datetime import date, datetime, time, timedelta

import pytest

from gateway.pull.query import Period, periods_between
from gateway.pull.schedule import Span, due_windows, is_quiet, next_search
from gateway.settings import Schedule

NOON = datetime(2026, 11, 24, 12)  # noqa: DTZ001 - local, as study times are
SCHEDULE = Schedule()
ALL = {Span.RECENT: NOON, Span.OVERLAP: NOON, Span.SWEEP: NOON}


def due(now: datetime, **changed: datetime) -> list[str]:
    return [str(each.span) for each in due_windows(SCHEDULE, now, ALL | changed)]


def test_each_window_is_due_after_its_interval_and_a_longer_one_replaces_the_shorter() -> None:
    assert due(NOON + timedelta(seconds=59)) == []
    assert due(NOON + timedelta(seconds=60)) == ["recent"]
    assert due(NOON + timedelta(minutes=60)) == ["overlap"]
    assert due(datetime(2026, 11, 25, 2)) == ["sweep"]  # noqa: DTZ001
    assert due(datetime(2026, 11, 25, 1, 59)) == ["overlap"]  # noqa: DTZ001


def test_the_recent_window_reaches_back_over_an_interruption() -> None:
    later = NOON + timedelta(minutes=50)
    (window,) = due_windows(SCHEDULE, later, ALL)
    assert (window.begin, window.end) == (NOON - timedelta(hours=2), later + timedelta(hours=1))


def test_a_clock_that_was_set_back_makes_the_windows_due() -> None:
    assert due(NOON - timedelta(hours=3)) == ["sweep"]
    assert next_search(SCHEDULE, NOON - timedelta(hours=3), ALL) == 0


def test_a_window_over_midnight_is_two_questions() -> None:
    begin, end = datetime(2026, 11, 24, 23, 30), datetime(2026, 11, 25, 0, 30)  # noqa: DTZ001
    assert list(periods_between(begin, end)) == [
        Period(date(2026, 11, 24), date(2026, 11, 24), time(23, 30), time(23, 59, 59)),
        Period(date(2026, 11, 25), date(2026, 11, 25), time(0), time(0, 30)),
    ]


def test_days_between_are_asked_for_whole() -> None:
    begin, end = datetime(2026, 11, 20, 8), datetime(2026, 11, 24, 9)  # noqa: DTZ001
    assert Period(date(2026, 11, 21), date(2026, 11, 23)) in list(periods_between(begin, end))


def test_a_period_is_halved_down_to_a_minute_without_a_gap() -> None:
    parts = [Period(date(2026, 11, 1), date(2026, 11, 2))]
    days = [half for part in parts for half in part.halves()]
    assert days == [Period(date(2026, 11, d), date(2026, 11, d)) for d in (1, 2)]
    morning, evening = days[0].halves()
    assert (morning.first_time, evening.last_time) == (time(0), time(23, 59, 59))
    assert datetime.combine(date.min, evening.first_time) - datetime.combine(
        date.min, morning.last_time
    ) == timedelta(seconds=1)
    while halves := morning.halves():
        morning = halves[0]
    assert morning.last_time < time(0, 1)


@pytest.mark.parametrize(
    ("hours", "moment", "quiet"),
    [
        ("07:00-18:00", time(7), True),
        ("07:00-18:00", time(18), False),
        ("22:00-06:00", time(23), True),
        ("22:00-06:00", time(5, 59), True),
        ("22:00-06:00", time(12), False),
    ],
)
def test_quiet_hours_may_lie_over_midnight(hours: str, moment: time, quiet: bool) -> None:
    assert is_quiet(Schedule(quiet_hours=(hours,)), datetime.combine(NOON.date(), moment)) is quiet

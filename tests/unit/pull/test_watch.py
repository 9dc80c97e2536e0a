"""The watch over a source: searches and fetches by schedule, and patience with a source that is away."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.pull.source import SourceAway
from gateway.pull.watch import LOOK_SECONDS, Watch
from gateway.settings import Schedule
from gateway.store.ledger import Ledger
from gateway.store.pulls import Pulls
from gateway.store.source_rows import SourceRows
from tests.support.archive_in_memory import MemorySource

NOON = datetime(2026, 11, 24, 12)  # noqa: DTZ001 - local, as study times are


class Watched:
    """A watch over two studies of a source, with a clock that the test sets."""

    def __init__(self, ledger: Ledger, folder: Path, **schedule: Any) -> None:
        self.source = MemorySource(ledger, folder, {"1.2.1": ["1.2.1.1"], "1.2.2": ["1.2.2.1", "1.2.2.2"]})
        self.pulls, self.rows, self.now = Pulls(ledger), SourceRows(ledger), NOON
        self.stopping = threading.Event()
        puller, rules = self.source.puller(self.stopping), Schedule(**schedule)
        self.watch = Watch(puller, rules, self.pulls, self.rows, self.stopping, lambda: self.now)

    def spans(self) -> list[timedelta]:
        """Return how long the questions were, and forget them."""
        asked = [each.period for each in self.source.asked]
        self.source.asked.clear()
        return [each.last - each.first for each in asked if each is not None]


@pytest.fixture
def watched(ledger: Ledger, tmp_path: Path) -> Watched:
    return Watched(ledger, tmp_path)


def test_the_first_look_searches_the_last_days_and_fetches(watched: Watched) -> None:
    assert watched.watch.look() == LOOK_SECONDS
    assert watched.pulls.counts() == {"pacs": {"complete": 2}}
    assert max(watched.spans()) == timedelta(days=1)  # the whole days in the middle of three


def test_a_look_a_minute_later_searches_the_last_hours_and_fetches_what_is_new(watched: Watched) -> None:
    watched.watch.look()
    watched.source.studies["1.2.3"] = ["1.2.3.1"]
    watched.now += timedelta(seconds=30)
    watched.source.asked.clear()
    watched.watch.look()
    assert watched.source.asked == []
    watched.now += timedelta(seconds=31)
    watched.watch.look()
    assert len(watched.source.asked) == 1
    assert watched.pulls.counts() == {"pacs": {"complete": 3}}
    assert watched.source.fetched.count("1.2.1.1") == 1


def test_quiet_hours_search_and_fetch_nothing(ledger: Ledger, tmp_path: Path) -> None:
    quiet = Watched(ledger, tmp_path, quiet_hours=("11:00-13:00",))
    assert quiet.watch.look() == LOOK_SECONDS
    assert quiet.source.asked == []
    quiet.now += timedelta(hours=1)
    quiet.watch.look()
    assert quiet.pulls.counts() == {"pacs": {"complete": 2}}


def test_fetching_pauses_for_a_search_and_stops_when_quiet_hours_begin(
    ledger: Ledger, tmp_path: Path
) -> None:
    watched = Watched(ledger, tmp_path, quiet_hours=("12:30-13:00",))

    def fetch_slowly(step: str, _: str) -> None:
        if step == "settle":
            watched.now += timedelta(minutes=40)

    watched.source.before = fetch_slowly
    watched.watch.look()
    assert watched.pulls.counts() == {"pacs": {"complete": 1, "found": 1}}
    watched.now = NOON + timedelta(hours=1)
    watched.watch.look()
    assert watched.pulls.counts() == {"pacs": {"complete": 2}}


def test_a_source_that_is_away_is_asked_ever_more_slowly_and_loses_no_study(watched: Watched) -> None:
    def away(*_: str) -> None:
        raise SourceAway("nothing answers there")

    watched.source.before = away
    waits = [watched.watch.look() for _ in range(9)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert watched.rows.of("pacs").error == "nothing answers there"
    watched.source.before = lambda *_: None
    watched.watch.look()
    assert watched.rows.of("pacs").error is None
    assert watched.pulls.counts() == {"pacs": {"complete": 2}}


def test_a_source_is_left_alone_for_as_long_as_it_asks(watched: Watched) -> None:
    def busy(*_: str) -> None:
        raise SourceAway("429", retry_after=1234)

    watched.source.before = busy
    assert watched.watch.look() == 1234


def test_a_study_without_a_number_of_instances_is_looked_into_again_by_the_longer_windows(
    watched: Watched,
) -> None:
    watched.source.tells_number = False
    watched.watch.look()
    watched.source.studies["1.2.1"].append("1.2.1.9")
    watched.now += timedelta(minutes=2)
    watched.watch.look()
    assert "1.2.1.9" not in watched.source.fetched

"""Deletes files whose work is done, by age and by disk use; the rows stay and say so.

The engine's cleaner calls it. What is due is looked for without a lock, page by page along the index of its
age, so that no row is looked at twice in a round; a transaction then deletes a few images that it looks up by
their numbers, so that nobody waits for long, however many rows there are.

Ages are believed while the ledger's clock runs on: after it was set ahead, nothing is deleted by its age for
a day, in which people can set it right.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from time import monotonic
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, State
from gateway.settings import Retention
from gateway.store import clock
from gateway.store.clock import now
from gateway.store.deletions import hold_deletions
from gateway.store.entries import ImageIdentity
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects, Stores
from gateway.store.orphans import sweep
from gateway.store.patients import forget_patient
from gateway.store.pictures import Pictures
from gateway.store.schema import deliveries, events, instances, results
from gateway.store.session import IDENTITY, Session
from gateway.store.timings import fold_timings
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

AT_ONCE = 20  # images per transaction: others want to write, too
LOOKED_FOR = 1000  # images per page of a search, which takes no lock
PAUSE_SECONDS = 0.05  # between two transactions, for the same reason
SWEEP_SECONDS = 86_400.0  # between two searches of a store for orphans: it is listed whole
LOOKED_THROUGH = 100_000  # events since a worker began, for the last one before
DAY_SECONDS = 86_400.0
"""Seconds that the clock may be ahead of what has passed; ages are not believed for as many beyond that."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """Deletion of `received`, `results` or both, of images in these states for so many days."""

    states: tuple[State, ...]
    days: float
    received: bool
    results: bool
    why: str


class Cleaner:
    """Deletes by the configured rules.

    A file is deleted within the transaction that says so. If that fails, the next run finds the file gone and
    says so then; two workers at once get different images.

    Parameters
    ----------
    stores
        Whose files count for `max_disk_gb`; where one is away, nothing is deleted.
    pictures
        Of what was received: they go with it.
    stopping
        Once set, the rest is left to the next run.
    """

    def __init__(
        self,
        rules: Retention,
        ledger: Ledger,
        stores: Stores,
        pictures: Pictures,
        stopping: threading.Event | None = None,
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._stores = stores
        self._pictures = pictures
        self._stopping = stopping or threading.Event()
        self._swept_at = float("-inf")
        self._started = clock.counter()
        self._looked: tuple[datetime, float] | None = None  # ledger's time and counter at the last run
        self._believed_from = float("-inf")  # by the counter

    def clean(self) -> None:
        """Delete everything that is due.

        Raises
        ------
        Retry
            If the database or a store is away, or a file cannot be deleted.
        """
        while self._fold_timings():
            pass
        ages_count = self._ages_count()
        for rule in rules_of(self._rules) if ages_count else ():
            for _ in self._delete(rule):
                pass
        self._make_room()
        if ages_count and monotonic() - self._swept_at > SWEEP_SECONDS:
            sweep(self._ledger, self._stores)
            self._swept_at = monotonic()
        for store in self._stores:
            store.tidy()

    def _ages_count(self) -> bool:
        """Tell whether the clock has run on since the last run, or for a day since it was set ahead.

        The first run compares with the last event before this worker began: a machine that starts with a
        wrong clock cannot be told from one that was off for long.
        """
        time, counter = now(), clock.counter()
        began = time - timedelta(seconds=counter - self._started)
        last, counted = self._looked or (self._last_event(began) or began, self._started)
        self._looked = time, counter
        ahead = (time - last).total_seconds() - (counter - counted)
        if ahead > DAY_SECONDS:
            self._believed_from = counter + DAY_SECONDS
            log_event(Event.CLOCK_AHEAD, seconds=round(ahead))
        elif ahead < -DAY_SECONDS:
            self._believed_from = counter
        return counter >= self._believed_from

    def _last_event(self, before: datetime) -> datetime | None:
        newest = sa.select(events.c.time).order_by(events.c.id.desc()).limit(LOOKED_THROUGH).subquery()
        query = sa.select(sa.func.max(newest.c.time)).where(newest.c.time < before)
        with self._ledger.look() as connection:
            return connection.scalars(query).first()

    def _fold_timings(self) -> int:
        with self._ledger.transaction() as connection:
            return fold_timings(connection)

    def _make_room(self) -> None:
        """Delete what was done longest ago, until the rest is small enough or must be kept."""
        limit = self._rules.max_disk_gb
        if limit is None:
            return
        rule = Rule((State.DELIVERED, State.INELIGIBLE), 0, True, True, f"more than {limit:g} GB are in use")
        excess = sum(store.used_bytes() for store in self._stores) - limit * 1e9
        if excess > 0:
            for freed in self._delete(rule):
                excess -= freed
                if excess <= 0:
                    return

    def _delete(self, rule: Rule) -> Iterator[int]:
        """Delete what is due, oldest first; yield how many bytes went with each transaction."""
        due = self._due(rule)
        while chosen := list(islice(due, AT_ONCE)):
            if self._stopping.wait(PAUSE_SECONDS):
                return
            yield self._delete_these(chosen, rule)

    def _due(self, rule: Rule) -> Iterator[int]:
        """Yield the images that are due, by age; one with several results may come several times."""
        by_age = (self._pages(candidates) for candidates in candidates_of(rule))
        for _, number in merge(*by_age):
            yield number

    def _pages(self, candidates: Candidates) -> Iterator[tuple[datetime, int]]:
        """Yield age and number of each candidate; a page is read when it is needed."""
        last = (LONG_AGO, 0)
        while True:
            with self._ledger.transaction() as connection:
                page = connection.execute(candidates.after(*last).limit(LOOKED_FOR)).all()
            yield from (found := [(row.time, row.number) for row in page])
            if len(found) < LOOKED_FOR:
                return
            last = found[-1]

    def _delete_these(self, chosen: Sequence[int], rule: Rule) -> int:
        self._stores.check()
        with self._ledger.session() as session:
            still_due = _alone(session.connection, due_of(chosen, rule))
            found = [ImageIdentity(*row) for row in session.connection.execute(still_due).all()]
            return sum(self._delete_files(session, image, rule) for image in found)

    def _delete_files(self, session: Session, image: ImageIdentity, rule: Rule) -> int:
        freed = 0
        if rule.received:
            forget_patient(session.connection, image.id)
            freed += self._remove(session.connection, instances, image, self._stores.received)
        if rule.results:
            freed += self._remove(session.connection, results, image, self._stores.results)
        session.tell(Event.DELETED, image, what=_what(rule), why=rule.why)
        return freed

    def _remove(
        self, connection: sa.Connection, table: sa.Table, image: ImageIdentity, store: Objects
    ) -> int:
        which = (table.c.id if table is instances else table.c.instance_id) == image.id
        marked = (
            sa.update(table).where(which, table.c.file_deleted_at.is_(None)).values(file_deleted_at=now())
        )
        freed = 0
        for path in map(self._ledger.absolute, connection.scalars(marked.returning(table.c.path)).all()):
            self._pictures.forget(path)
            freed += store.remove(path)
        return freed


def rules_of(settings: Retention) -> list[Rule]:
    """Return what the settings say about age."""
    done, failed = (State.DELIVERED, State.INELIGIBLE), (State.FAILED,)
    rules = []
    if settings.received_days is not None:
        rules.append(Rule(done, settings.received_days, True, False, _aged(settings.received_days)))
    if settings.results_days is not None:
        rules.append(Rule(done, settings.results_days, False, True, _aged(settings.results_days)))
    if settings.failed_days is not None:
        rules.append(Rule(failed, settings.failed_days, True, True, _aged(settings.failed_days)))
    return rules


@dataclass(frozen=True, slots=True)
class Candidates:
    """Images with a kept file of one kind, in the order of an index over such files: by time and number.

    Attributes
    ----------
    time, number
        The columns of that index: the end of the image or the making of its result, and the image's number.
    where
        The images that are due.
    """

    time: sa.Column[datetime]
    number: sa.Column[int]
    where: sa.ColumnElement[bool]

    def after(self, time: datetime, number: int) -> sa.Select[datetime, int]:
        """Select time and number of those that follow this time and number."""
        query = sa.select(self.time.label("time"), self.number.label("number"))
        later = sa.or_(self.time > time, self.number > number)
        return query.where(self.where, self.time >= time, later).order_by(self.time, self.number)


def candidates_of(rule: Rule) -> list[Candidates]:
    """Return where to look for images to which the rule applies.

    Both indexes hold only what has its file, ordered by age: neither deleted nor young rows are looked at. A
    result is never younger than the end of its image.
    """
    found, kept = [], instances.c.file_deleted_at.is_(None)
    if rule.received:
        for state in rule.states:
            where = kept & (instances.c.state == state) & _is_done(rule)
            found.append(Candidates(instances.c.state_at, instances.c.id, where))
    if rule.results:
        old = results.c.file_deleted_at.is_(None) & (results.c.created_at < _before(rule))
        mine = instances.c.id == results.c.instance_id
        where = old & sa.exists().where(mine, instances.c.state.in_(rule.states), _is_done(rule))
        found.append(Candidates(results.c.created_at, results.c.instance_id, where))
    return found


def due_of(chosen: Sequence[int], rule: Rule) -> sa.Select[tuple[int, str, str, str]]:
    """Pick those of the chosen images to which the rule applies, with something left to delete."""
    mine = results.c.instance_id == instances.c.id
    left: list[sa.ColumnElement[bool]] = []
    if rule.received:
        left.append(instances.c.file_deleted_at.is_(None))
    if rule.results:
        left.append(sa.exists().where(mine, results.c.file_deleted_at.is_(None)))
    these = instances.c.id.in_(chosen) & instances.c.state.in_(rule.states)
    return sa.select(*IDENTITY).where(these, _is_done(rule), sa.or_(*left))


def _before(rule: Rule) -> datetime:
    return now() - timedelta(days=rule.days)


def _is_done(rule: Rule) -> sa.ColumnElement[bool]:
    """The image ended long enough ago, nothing of it is left to deliver, and somebody has its answer."""
    theirs = results.alias()
    mine = (theirs.c.instance_id == instances.c.id) & (deliveries.c.result_id == theirs.c.id)
    undelivered = sa.exists().where(mine, deliveries.c.open)
    has_route = instances.c.reason.is_distinct_from(Reason.NOT_ROUTED)
    return (instances.c.state_at < _before(rule)) & has_route & ~undelivered


def _alone(connection: sa.Connection, query: sa.Select[Any]) -> sa.Select[Any]:
    """Let nobody else change what the query picks, or count on its files, until the transaction ends."""
    hold_deletions(connection)
    if connection.dialect.name == "postgresql":
        return query.with_for_update(skip_locked=True, of=instances)
    return query


def _what(rule: Rule) -> str:
    return " and ".join(
        word for word, chosen in (("received", rule.received), ("results", rule.results)) if chosen
    )


def _aged(days: float) -> str:
    return f"older than {days:g} days"

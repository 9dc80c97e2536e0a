"""Deletes files whose work is done, by age and by disk use; the rows stay and say so."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.records import Reason, State
from gateway.settings import Retention
from gateway.store.entries import ImageIdentity
from gateway.store.ledger import Ledger, now
from gateway.store.marks import Mark
from gateway.store.pictures import Pictures
from gateway.store.schema import deliveries, instances, results
from gateway.store.session import IDENTITY, Session
from gateway.store.timings import fold_timings
from gateway.telemetry.events import Event

AT_ONCE = 20  # images per transaction: others want to write, too
LOOKED_FOR = 1000  # images per search, which takes no lock
PAUSE_SECONDS = 0.05  # between two transactions, for the same reason


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
    folders
        Whose files count for `max_disk_gb`.
    pictures
        Of what was received: they go with it.
    marks
        Of the folders: where one is not mounted, nothing is deleted.
    stopping
        Once set, the rest is left to the next run.
    """

    def __init__(
        self,
        rules: Retention,
        ledger: Ledger,
        folders: Sequence[Path],
        pictures: Pictures,
        marks: Sequence[Mark] = (),
        stopping: threading.Event | None = None,
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._folders = folders
        self._pictures = pictures
        self._marks = marks
        self._stopping = stopping or threading.Event()

    def clean(self) -> None:
        """Delete everything that is due.

        Raises
        ------
        Retry
            If the database is away, a folder is not mounted, or the disk refuses.
        """
        while self._fold_timings():
            pass
        for rule in rules_of(self._rules):
            for _ in self._delete(rule):
                pass
        self._make_room()

    def _fold_timings(self) -> int:
        with self._ledger.transaction() as connection:
            return fold_timings(connection)

    def _make_room(self) -> None:
        """Delete what was done longest ago, until the rest is small enough or must be kept."""
        limit = self._rules.max_disk_gb
        if limit is None:
            return
        rule = Rule((State.DELIVERED, State.INELIGIBLE), 0, True, True, f"more than {limit:g} GB are in use")
        excess = _size_of(self._folders) - limit * 1e9
        if excess > 0:
            for freed in self._delete(rule):
                excess -= freed
                if excess <= 0:
                    return

    def _delete(self, rule: Rule) -> Iterator[int]:
        """Delete what is due, oldest first; yield how many bytes went with each transaction."""
        while due := self._due(rule):
            for first in range(0, len(due), AT_ONCE):
                if self._stopping.wait(PAUSE_SECONDS):
                    return
                yield self._delete_these(due[first : first + AT_ONCE], rule)

    def _due(self, rule: Rule) -> Sequence[int]:
        query = due_by(rule).order_by(instances.c.state_at).limit(LOOKED_FOR)
        with self._ledger.transaction() as connection:
            return [row.id for row in connection.execute(query)]

    def _delete_these(self, chosen: Sequence[int], rule: Rule) -> int:
        for mark in self._marks:
            mark.check()
        with self._ledger.session() as session:
            still_due = _alone(session.connection, due_by(rule).where(instances.c.id.in_(chosen)))
            found = [ImageIdentity(*row) for row in session.connection.execute(still_due).all()]
            return sum(self._delete_files(session, image, rule) for image in found)

    def _delete_files(self, session: Session, image: ImageIdentity, rule: Rule) -> int:
        freed = 0
        if rule.received:
            freed += self._unlink(session.connection, instances, instances.c.id == image.id)
        if rule.results:
            freed += self._unlink(session.connection, results, results.c.instance_id == image.id)
        session.tell(Event.DELETED, image, what=_what(rule), why=rule.why)
        return freed

    def _unlink(self, connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]) -> int:
        marked = (
            sa.update(table).where(which, table.c.file_deleted_at.is_(None)).values(file_deleted_at=now())
        )
        freed = 0
        for path in map(self._ledger.absolute, connection.scalars(marked.returning(table.c.path)).all()):
            freed += _size(path)
            for each in (*self._pictures.of(path), path):
                _remove(each)
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


def due_by(rule: Rule) -> sa.Select[tuple[int, str, str, str]]:
    """Pick images that have come to their end, with nothing left to deliver and something left to delete.

    Both indexes of what is kept are ordered by age, so that neither deleted nor young rows are looked at. A
    result is never younger than the end of its image.
    """
    before = now() - timedelta(days=rule.days)
    kept: list[sa.Select[Any]] = []
    if rule.received:
        kept.append(
            sa.select(instances.c.id).where(
                instances.c.file_deleted_at.is_(None),
                instances.c.state.in_(rule.states),
                instances.c.state_at < before,
            )
        )
    if rule.results:
        old = (results.c.created_at < before) & results.c.file_deleted_at.is_(None)
        kept.append(sa.select(results.c.instance_id).where(old))
    mine = results.c.instance_id == instances.c.id
    undelivered = sa.exists().where(mine, deliveries.c.result_id == results.c.id, deliveries.c.open)
    return sa.select(*IDENTITY).where(
        instances.c.id.in_(sa.union_all(*kept)),
        instances.c.reason.is_distinct_from(Reason.NOT_ROUTED),  # nobody has it yet
        instances.c.state.in_(rule.states),
        instances.c.state_at < before,
        ~undelivered,
    )


def _alone(connection: sa.Connection, query: sa.Select[Any]) -> sa.Select[Any]:
    """Let nobody else change what the query picks until the transaction ends."""
    if connection.dialect.name == "postgresql":
        return query.with_for_update(skip_locked=True, of=instances)
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    return query


def _what(rule: Rule) -> str:
    return " and ".join(
        word for word, chosen in (("received", rule.received), ("results", rule.results)) if chosen
    )


def _aged(days: float) -> str:
    return f"older than {days:g} days"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Retry(f"{path}: cannot be deleted ({error.strerror})") from error


def _size_of(folders: Sequence[Path]) -> int:
    return sum(_size(path) for folder in folders for path in folder.rglob("*.*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another worker was faster
        return 0

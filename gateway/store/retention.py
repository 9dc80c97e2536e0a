"""Deletes files whose work is done, by age and by disk use; the rows stay and say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.log import log_event
from gateway.records import State
from gateway.settings import Retention
from gateway.store.ledger import Ledger, now, record_event
from gateway.store.pictures import Pictures
from gateway.store.schema import deliveries, instances, results
from gateway.store.timings import fold_timings

AT_ONCE = 100  # images per transaction: others want to write, too


@dataclass(frozen=True, slots=True)
class Rule:
    """What goes, and why: `received`, `results` or both of images in these states, done for so many days."""

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
    """

    def __init__(self, rules: Retention, ledger: Ledger, folders: Sequence[Path], pictures: Pictures) -> None:
        self._rules = rules
        self._ledger = ledger
        self._folders = folders
        self._pictures = pictures

    def clean(self) -> None:
        """Delete everything that is due."""
        while self._fold_timings():
            pass
        for rule in rules_of(self._rules):
            while self._delete(rule):
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
        while _size_of(self._folders) > limit * 1e9 and self._delete(rule):
            pass

    def _delete(self, rule: Rule) -> int:
        """Delete the files of some images; return of how many."""
        with self._ledger.transaction() as connection:
            due = _due(rule).order_by(instances.c.state_at).limit(AT_ONCE)
            if connection.dialect.name == "postgresql":
                due = due.with_for_update(skip_locked=True)
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # what is due stays due until it is deleted
            found = connection.execute(due).all()
            for row in found:
                self._delete_files(connection, row, rule)
        for row in found:
            log_event("deleted", sop_instance_uid=row.sop_instance_uid, what=_what(rule), why=rule.why)
        return len(found)

    def _delete_files(self, connection: sa.Connection, row: sa.Row[tuple[int, str]], rule: Rule) -> None:
        if rule.received:
            self._unlink(connection, instances, instances.c.id == row.id)
        if rule.results:
            self._unlink(connection, results, results.c.instance_id == row.id)
        record_event(connection, row.id, "deleted", what=_what(rule), why=rule.why)

    def _unlink(self, connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]) -> None:
        marked = (
            sa.update(table).where(which, table.c.file_deleted_at.is_(None)).values(file_deleted_at=now())
        )
        for path in map(self._ledger.absolute, connection.scalars(marked.returning(table.c.path)).all()):
            for each in (*self._pictures.of(path), path):
                _remove(each)


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


def _due(rule: Rule) -> sa.Select[tuple[int, str]]:
    """Pick images that have come to their end, with nothing left to deliver and something left to delete."""
    mine = results.c.instance_id == instances.c.id
    undelivered = sa.exists().where(mine, deliveries.c.result_id == results.c.id, deliveries.c.open)
    kept: list[sa.ColumnElement[bool]] = []
    if rule.received:
        kept.append(instances.c.file_deleted_at.is_(None))
    if rule.results:
        kept.append(sa.exists().where(mine, results.c.file_deleted_at.is_(None)))
    return sa.select(instances.c.id, instances.c.sop_instance_uid).where(
        instances.c.state.in_(rule.states),
        instances.c.state_at < now() - timedelta(days=rule.days),
        ~undelivered,
        sa.or_(*kept),
    )


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
    return sum(_size(path) for folder in folders for path in folder.rglob("*.dcm"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another worker was faster
        return 0

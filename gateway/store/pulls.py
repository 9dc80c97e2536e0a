"""Rows of studies that are fetched from sources: found, asked for, complete, partial, given up.

A study is complete when every instance that its source listed has a received row, whoever sent it; what the
source says of its own sending proves nothing. Whatever ends the process, the rows say what is still to be
done. The puller and `gateway pull` call it; each method commits before it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gateway.store.clock import now
from gateway.store.entries import AT_ONCE, FoundInstance, FoundStudy, Pull, PullState, PullView
from gateway.store.found_studies import due_at_once, record_found
from gateway.store.ledger import Ledger
from gateway.store.place import Place, newest_behind
from gateway.store.schema import instances, pull_instances, pulls

LONGEST_RETRY_SECONDS = 6 * 3600.0
"""Longest wait between two attempts to fetch a study."""

_ROWS_AT_ONCE = 500  # of a statement


_COLUMNS = (
    pulls.c.id,
    pulls.c.source,
    pulls.c.study_instance_uid,
    pulls.c.study_date,
    pulls.c.modalities,
    pulls.c.told,
    pulls.c.state,
    pulls.c.state_at,
    pulls.c.attempts,
    pulls.c.not_before,
    pulls.c.detail,
)
_VIEWED = sa.select(*_COLUMNS, pulls.c.found_at, pulls.c.listed_at)
_HAS_A_ROW = (
    sa.select(instances.c.id)
    .where(instances.c.sop_instance_uid == pull_instances.c.sop_instance_uid)
    .exists()
)
_OPEN = (PullState.ASKED, PullState.FOUND, PullState.PARTIAL)


class Pulls:
    """The ledger's studies of sources. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # --- a search

    def record_found(
        self,
        source: str,
        found: Sequence[FoundStudy],
        *,
        listed_before: datetime | None = None,
        by_hand: bool = False,
    ) -> list[str]:
        """Record the studies of a search; return the UIDs of those that are to be looked into, new or again.

        A study is looked into again when its source tells other modalities or another number of instances.

        Parameters
        ----------
        listed_before
            Where the source tells no number: look again into what was last listed before this time.
        by_hand
            A person asks: what was given up or not wanted is due again, what waits is due at once.
        """
        due: list[str] = []
        for start in range(0, len(found), _ROWS_AT_ONCE):
            some = {each.study_instance_uid: each for each in found[start : start + _ROWS_AT_ONCE]}
            with self._ledger.transaction() as connection:
                due += record_found(connection, source, some, listed_before, by_hand=by_hand)
        return due

    # --- work

    def claim(self, source: str, study_instance_uid: str | None = None) -> Pull | None:
        """Take the next study that is due in hand; return None where none is.

        It is `asked` from now on. One that already is was left by a process that ended: that counts as an
        attempt. Only whoever holds the source's lock may call this.
        """
        for state in _OPEN:
            due = (pulls.c.source == source) & (pulls.c.state == state) & (pulls.c.not_before <= now())
            if study_instance_uid is not None:
                due &= pulls.c.study_instance_uid == study_instance_uid
            last_first = state is PullState.FOUND  # a new study is wanted before an old backlog
            order = [each.desc() if last_first else each for each in (pulls.c.not_before, pulls.c.id)]
            query = sa.select(*_COLUMNS).where(due).order_by(*order).limit(1)
            with self._ledger.transaction() as connection:
                row = connection.execute(query).one_or_none()
                if row is None:
                    continue
                attempts = row.attempts + (state is PullState.ASKED)
                values = {"state": PullState.ASKED, "state_at": now(), "attempts": attempts}
                connection.execute(sa.update(pulls).where(pulls.c.id == row.id).values(values))
            return _pull(row, attempts=attempts)
        return None

    def next_due(self, source: str) -> datetime | None:
        """Return when a study is due next; None where none waits."""
        query = sa.select(sa.func.min(pulls.c.not_before))
        query = query.where(pulls.c.source == source, pulls.c.state.in_(_OPEN))
        with self._ledger.transaction() as connection:
            next_time: datetime | None = connection.scalar(query)
            return next_time

    def record_listed(self, pull: Pull, listed: Sequence[FoundInstance]) -> list[FoundInstance]:
        """Record which instances are wanted before they are asked for; return those that have no row yet."""
        rows = [
            {
                "pull_id": pull.id,
                "sop_instance_uid": each.sop_instance_uid,
                "series_instance_uid": each.series_instance_uid,
                "sop_class_uid": each.sop_class_uid,
            }
            for each in listed
        ]
        this = pulls.c.id == pull.id
        with self._ledger.transaction() as connection:
            connection.execute(sa.delete(pull_instances).where(pull_instances.c.pull_id == pull.id))
            if rows:
                connection.execute(sa.insert(pull_instances), rows)
            values = {"state": PullState.ASKED, "state_at": now(), "listed_at": now()}
            connection.execute(sa.update(pulls).where(this).values(values))
            return _missing(connection, pull.id)

    def missing(self, pull: Pull) -> list[FoundInstance]:
        """Return the listed instances that have no received row."""
        with self._ledger.transaction() as connection:
            return _missing(connection, pull.id)

    def settle(
        self, pull: Pull, detail: str, *, is_listed: bool, most_attempts: int, first_retry_seconds: float
    ) -> Pull:
        """Record how an attempt ended: complete, or partial and due later, or given up.

        Parameters
        ----------
        detail
            What went wrong, where something did; it counts only where something is missing.
        is_listed
            The source has just listed what it has; without that, a study is not complete.
        """
        with self._ledger.transaction() as connection:
            missing = _missing(connection, pull.id)
            if is_listed and not missing:
                return self._change(connection, pull, PullState.COMPLETE, attempts=0)
            attempts = pull.attempts + 1
            told = detail or "the source said that all was sent"
            if missing:
                told = f"{len(missing)} missing: {told}"
            if attempts >= most_attempts:
                return self._change(connection, pull, PullState.GIVEN_UP, attempts=attempts, detail=told)
            seconds = min(first_retry_seconds * 2.0 ** (attempts - 1), LONGEST_RETRY_SECONDS)
            later = now() + timedelta(seconds=seconds)
            return self._change(
                connection, pull, PullState.PARTIAL, attempts=attempts, detail=told, not_before=later
            )

    def refuse(self, pull: Pull, reason: str) -> Pull:
        """Record that nothing of a study is wanted."""
        with self._ledger.transaction() as connection:
            connection.execute(sa.delete(pull_instances).where(pull_instances.c.pull_id == pull.id))
            values = {"attempts": 0, "detail": reason, "listed_at": now()}
            return self._change(connection, pull, PullState.NOT_WANTED, **values)

    def put_back(self, pull: Pull, detail: str, seconds: float = 0) -> Pull:
        """Make a study due again without counting an attempt: its source or the gateway is to blame."""
        later = now() + timedelta(seconds=seconds) if seconds else AT_ONCE
        with self._ledger.transaction() as connection:
            values = {"attempts": pull.attempts, "detail": detail, "not_before": later}
            return self._change(connection, pull, PullState.FOUND, **values)

    def ask_again(self, source: str, study_instance_uid: str) -> bool:
        """Make a study due at once; False of one that is unknown, or is just being asked for."""
        this = (pulls.c.source == source) & (pulls.c.study_instance_uid == study_instance_uid)
        again = sa.update(pulls).where(this, pulls.c.state != PullState.ASKED)
        with self._ledger.transaction() as connection:
            return connection.execute(again.values(due_at_once() | {"detail": None})).rowcount > 0

    def _change(self, connection: sa.Connection, pull: Pull, state: PullState, **values: Any) -> Pull:
        """Change a study; if a search has heard of another one meanwhile, it is looked into again."""
        this = sa.select(*_COLUMNS).where(pulls.c.id == pull.id)
        values = {"detail": None, "not_before": AT_ONCE} | values | {"state": state, "state_at": now()}
        row = connection.execute(this).one()
        if (tuple(row.modalities), row.told) != (pull.modalities, pull.told):
            values |= {"state": PullState.FOUND, "attempts": 0, "not_before": AT_ONCE}
        connection.execute(sa.update(pulls).where(pulls.c.id == pull.id).values(values))
        return _pull(connection.execute(this).one())

    # --- views

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of studies by source and state."""
        query = sa.select(pulls.c.source, pulls.c.state, sa.func.count()).group_by(
            pulls.c.source, pulls.c.state
        )
        found: dict[str, dict[str, int]] = {}
        with self._ledger.transaction() as connection:
            for source, state, count in connection.execute(query):
                found.setdefault(source, {})[state] = count
        return found

    def newest(
        self,
        limit: int,
        *,
        source: str | None = None,
        state: PullState | None = None,
        behind: Place | None = None,
    ) -> list[PullView]:
        """Return the studies whose state changed last, from behind a place on."""
        query = newest_behind(_VIEWED, pulls.c.state_at, pulls.c.id, behind, limit)
        if source is not None:
            query = query.where(pulls.c.source == source)
        if state is not None:
            query = query.where(pulls.c.state == state)
        return list(self._views(query))

    def of_study(self, study_instance_uid: str) -> list[PullView]:
        """Return a study at each source that has it."""
        query = _VIEWED.where(pulls.c.study_instance_uid == study_instance_uid)
        return list(self._views(query.order_by(pulls.c.source)))

    def _views(self, query: sa.Select[Any]) -> Iterator[PullView]:
        with self._ledger.transaction() as connection:
            for row in connection.execute(query).all():
                listed = sa.select(sa.func.count()).where(pull_instances.c.pull_id == row.id)
                missing = tuple(each.sop_instance_uid for each in _missing(connection, row.id))
                count = int(connection.scalar(listed) or 0)
                yield PullView(_pull(row), count, missing, row.found_at, row.listed_at)


def _missing(connection: sa.Connection, pull_id: int) -> list[FoundInstance]:
    columns = (
        pull_instances.c.sop_instance_uid,
        pull_instances.c.series_instance_uid,
        pull_instances.c.sop_class_uid,
    )
    query = sa.select(*columns).where(pull_instances.c.pull_id == pull_id, ~_HAS_A_ROW)
    return [
        FoundInstance(*row) for row in connection.execute(query.order_by(pull_instances.c.sop_instance_uid))
    ]


def _pull(row: Any, **changes: Any) -> Pull:
    values = {column.name: getattr(row, column.name) for column in _COLUMNS} | changes
    return Pull(**values | {"state": PullState(row.state), "modalities": tuple(row.modalities)})

"""The worklist: images or studies, searched, sorted, paged by key, so that no page is slower than the first.

An order is a column with an index, and the image's number. A search that is sorted by a column sorts the
newest `MOST_FOUND` images that it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from gateway.records import Patient, Reason
from gateway.store.entries import DeliveryState
from gateway.store.ledger import Ledger
from gateway.store.patients import MOST_FOUND
from gateway.store.queries.filters import Filter, Order, numbers_with, sorted_column
from gateway.store.queries.filters import Search as Search
from gateway.store.queries.images import ANSWERED, BEGUN_AT, ROW, row_values
from gateway.store.queries.views import AnswerRow, DestinationRow, WorklistRow
from gateway.store.schema import answers, deliveries, events, instances, patients, results

MOST_FOLDED = 500
"""Images that are folded below the studies of one page."""

_WANTED = (*ROW, BEGUN_AT, instances.c.file_deleted_at, answers.c.threshold, answers.c.abstained)
_PATIENT = tuple(patients.c[name] for name in Patient.__slots__)
_LEAST_FIRST = (
    DeliveryState.DEAD,
    DeliveryState.PENDING,
    DeliveryState.WITHDRAWN,
    DeliveryState.STORED,
    DeliveryState.COMMITTED,
)


@dataclass(frozen=True, slots=True)
class View:
    """Presentation of a list.

    Attributes
    ----------
    by_study
        One row a study; its other images are folded below it.
    with_patients
        With what is known of the patients; for users who may see them.
    """

    order: Order = Order.RECEIVED
    descending: bool = True
    by_study: bool = False
    with_patients: bool = False


NEWEST = View()


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order; `older` and `newer` are the keys of the pages after and before it, if there are any.

    `cut` where a search found more than it looked through.
    """

    rows: tuple[WorklistRow, ...]
    older: int | None
    newer: int | None
    cut: bool = False


class Worklist:
    """Read-only. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def version(self) -> int:
        """Return a number that grows with whatever happens to any image."""
        with self._ledger.transaction() as connection:
            return connection.scalar(sa.select(sa.func.max(events.c.id))) or 0

    def page(
        self,
        search: Search,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
        view: View = NEWEST,
    ) -> Page:
        """Return the images that follow `before` in the list, or precede `after`, else the first ones."""
        with self._ledger.transaction() as connection:
            found, cut = _find(connection, search, view, before, after, limit + 1)
            more, numbers = len(found) > limit, found[:limit]
            if after is not None:
                numbers = numbers[::-1]
            rows = _complete(connection, _rows(connection, numbers, view))
            if view.by_study:
                rows = _with_folded(connection, rows, search, view)
        older = more if after is None else bool(rows)
        newer = before is not None if after is None else more
        return Page(
            rows,
            older=rows[-1].id if rows and older else None,
            newer=rows[0].id if rows and newer else None,
            cut=cut,
        )

    def patient_of(self, instance_id: int) -> Patient | None:
        """Return the patient of an image; None where nothing is kept, or has been read yet."""
        with self._ledger.transaction() as connection:
            query = sa.select(*_PATIENT).where(patients.c.instance_id == instance_id)
            row = connection.execute(query).mappings().first()
        return Patient(**row) if row else None

    def neighbours(self, instance_id: int) -> tuple[str | None, str | None]:
        """Return the SOP Instance UIDs of the next newer and the next older image."""
        uid, number = instances.c.sop_instance_uid, instances.c.id
        newer = sa.select(uid).where(number > instance_id).order_by(number).limit(1)
        older = sa.select(uid).where(number < instance_id).order_by(number.desc()).limit(1)
        with self._ledger.transaction() as connection:
            return connection.scalar(newer), connection.scalar(older)

    def calling_ae_titles(self) -> list[str]:
        """Return who has ever sent."""
        return self._distinct(instances.c.calling_ae_title)

    def labels(self) -> list[str]:
        """Return every answer that was ever given."""
        return self._distinct(instances.c.label)

    def _distinct(self, column: sa.Column[Any]) -> list[str]:
        """Return the values of a column, by one step through its index for each."""
        values: list[str] = []
        with self._ledger.transaction() as connection:
            value = connection.scalar(sa.select(sa.func.min(column)))
            while value is not None:
                values.append(value)
                value = connection.scalar(sa.select(sa.func.min(column)).where(column > value))
        return values


def _find(
    connection: sa.Connection, search: Search, view: View, before: int | None, after: int | None, limit: int
) -> tuple[list[int], bool]:
    """Return the numbers of the images, in order from the key on; tell whether a search was cut."""
    filter_ = Filter(connection, search)
    cut = filter_.found is not None and len(filter_.found) == MOST_FOUND
    query, column = numbers_with(view.order).where(*filter_.conditions()), sorted_column(view.order)
    if column is not None and search.is_selective:
        number = instances.c.id
        newest = sa.select(number).where(*filter_.conditions()).order_by(number.desc()).limit(MOST_FOUND)
        chosen = connection.scalars(newest).all()
        cut = cut or len(chosen) == MOST_FOUND
        query = numbers_with(view.order).where(number.in_(chosen))
    if view.by_study:
        query = query.where(filter_.stands_for_study(view.order))
    descending = view.descending == (after is None)
    query = _from_key(connection, query, column, before if after is None else after, descending=descending)
    return list(connection.scalars(query.limit(limit))), cut


def _from_key(
    connection: sa.Connection,
    query: sa.Select[Any],
    column: sa.ColumnElement[Any] | None,
    key: int | None,
    *,
    descending: bool,
) -> sa.Select[Any]:
    """Order a query, and let it begin behind the image whose number is the key."""
    number = instances.c.id if column is None or column.table is instances else patients.c.instance_id
    order = (number,) if column is None else (column, number)
    query = query.order_by(*(each.desc() if descending else each for each in order))
    if key is None:
        return query
    if column is None:
        return query.where(number < key if descending else number > key)
    value = connection.scalar(sa.select(column).where(number == key))
    if value is None:
        return query.where(sa.false())
    place, there = sa.tuple_(column, number), sa.tuple_(sa.literal(value), sa.literal(key))
    return query.where(place < there if descending else place > there)


def _rows(connection: sa.Connection, numbers: Sequence[int], view: View) -> list[WorklistRow]:
    """Return the rows of images, in the order of their numbers given."""
    return _read(
        connection, instances.c.id.in_(numbers), view, {number: at for at, number in enumerate(numbers)}
    )


def _read(
    connection: sa.Connection, chosen: sa.ColumnElement[bool], view: View, order: dict[int, int] | None = None
) -> list[WorklistRow]:
    query = sa.select(*_WANTED).select_from(ANSWERED).where(chosen)
    if order is None:
        query = query.order_by(instances.c.id.desc()).limit(MOST_FOLDED)
    rows = [WorklistRow(**row_values(row)) for row in connection.execute(query).mappings()]
    if order is not None:
        rows.sort(key=lambda row: order[row.id])
    return _with_patients(connection, rows) if view.with_patients else rows


def _with_patients(connection: sa.Connection, rows: Sequence[WorklistRow]) -> list[WorklistRow]:
    query = sa.select(patients.c.instance_id, *_PATIENT)
    query = query.where(patients.c.instance_id.in_([row.id for row in rows]))
    found = {
        row["instance_id"]: Patient(**{name: row[name] for name in Patient.__slots__})
        for row in connection.execute(query).mappings()
    }
    return [replace(row, patient=found.get(row.id)) for row in rows]


def _with_folded(
    connection: sa.Connection, rows: Sequence[WorklistRow], search: Search, view: View
) -> tuple[WorklistRow, ...]:
    """Add the other images of each study, the newest first, whether they match the search or not."""
    shown, studies = {row.id for row in rows}, {row.study_instance_uid for row in rows}
    others = instances.c.study_instance_uid.in_(studies) & instances.c.id.not_in(shown)
    if search.without_own:
        others &= instances.c.reason.is_distinct_from(Reason.OWN_RESULT)
    folded: dict[str, list[WorklistRow]] = {}
    for row in _complete(connection, _read(connection, others, view)):
        folded.setdefault(row.study_instance_uid, []).append(row)
    return tuple(replace(row, folded=tuple(folded.get(row.study_instance_uid, ()))) for row in rows)


def _complete(connection: sa.Connection, rows: Sequence[WorklistRow]) -> tuple[WorklistRow, ...]:
    """Add what stands beside the shown answers, and where the standing results are."""
    ids = [row.id for row in rows if row.label is not None]
    others, found = _others(connection, ids), _deliveries(connection, ids)
    return tuple(
        replace(row, others=tuple(others.get(row.id, ())), deliveries=tuple(found.get(row.id, ())))
        for row in rows
    )


def _others(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[AnswerRow]]:
    query = (
        sa.select(
            answers.c.instance_id,
            answers.c.model_name,
            answers.c.model_version,
            answers.c.label,
            answers.c.score,
            answers.c.threshold,
            answers.c.positive,
        )
        .join(instances, instances.c.id == answers.c.instance_id)
        .where(answers.c.instance_id.in_(ids), answers.c.superseded_at.is_(None))
        .where(answers.c.id != instances.c.answer_id)
        .order_by(answers.c.id)
    )
    found: dict[int, list[AnswerRow]] = {}
    for instance_id, *values in connection.execute(query):
        found.setdefault(instance_id, []).append(AnswerRow(*values))
    return found


def _deliveries(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[DestinationRow]]:
    """Sum up the standing results of each image, one line for each destination."""
    query = (
        sa.select(
            results.c.instance_id,
            deliveries.c.destination,
            sa.func.min(deliveries.c.state),
            sa.func.max(deliveries.c.state),
            sa.func.max(deliveries.c.attempts),
        )
        .join(deliveries, deliveries.c.result_id == results.c.id)
        .join(answers, answers.c.id == results.c.answer_id)
        .where(results.c.instance_id.in_(ids), answers.c.superseded_at.is_(None))
        .group_by(results.c.instance_id, deliveries.c.destination)
        .order_by(deliveries.c.destination)
    )
    found: dict[int, list[DestinationRow]] = {}
    for instance_id, name, lowest, highest, attempts in connection.execute(query):
        state = next(state for state in _LEAST_FIRST if state in (lowest, highest))
        found.setdefault(instance_id, []).append(DestinationRow(name, state, attempts))
    return found

"""Deletes objects that no row names: their receiver was killed, or refused, between the object and the row.

The cleaner calls it. An object is old enough to have its row; it is looked at again while nobody takes the
same bytes in (`deletions`), so that no acknowledged image goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from gateway.store.deletions import hold_deletions
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects, Stores
from gateway.store.schema import instances, results
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

AT_ONCE = 1000  # objects that one query looks up
DELETED_AT_ONCE = 20  # as receivers of the same bytes wait meanwhile


def sweep(ledger: Ledger, stores: Stores) -> None:
    """Delete the orphans of both stores.

    Raises
    ------
    Retry
        If the database or a store is away.
    """
    for store, table in ((stores.received, instances), (stores.results, results)):
        old = store.orphans()
        while some := list(islice(old, AT_ONCE)):
            with ledger.transaction() as connection:
                suspects = _without_row(connection, ledger, table, some)
            for first in range(0, len(suspects), DELETED_AT_ONCE):
                _delete(ledger, store, table, suspects[first : first + DELETED_AT_ONCE])


def _delete(ledger: Ledger, store: Objects, table: sa.Table, suspects: Sequence[Path]) -> None:
    with ledger.transaction() as connection:
        hold_deletions(connection)
        orphans = [
            each for each in _without_row(connection, ledger, table, suspects) if store.is_orphan(each)
        ]
        for path in orphans:
            store.remove(path)
    if orphans:
        log_event(Event.ORPHANS_DELETED, store=store.place, objects=len(orphans))


def _without_row(
    connection: sa.Connection, ledger: Ledger, table: sa.Table, paths: Sequence[Path]
) -> list[Path]:
    by_name = {ledger.relative(path): path for path in paths}
    named = table.c.path.in_(by_name) & table.c.file_deleted_at.is_(None)
    if table is results:  # found by the index of their names
        named &= table.c.name.in_([path.name for path in paths])
    known = set(connection.scalars(sa.select(table.c.path).where(named)))
    return [path for name, path in by_name.items() if name not in known]

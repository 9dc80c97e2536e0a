"""Rows of the studies that a search has found: which are new, and which are to be looked into again.

`Pulls` calls it within its transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.clock import now
from gateway.store.entries import AT_ONCE, FoundStudy, PullState
from gateway.store.schema import pulls


def record_found(
    connection: sa.Connection,
    source: str,
    found: Mapping[str, FoundStudy],
    listed_before: datetime | None,
    *,
    by_hand: bool,
) -> list[str]:
    """Record studies by their UIDs; return those that are to be looked into. See `Pulls.record_found`."""
    known = _known(connection, source, found)
    new = [uid for uid in found if uid not in known]
    _insert(connection, source, [found[uid] for uid in new])
    again = [
        uid for uid, row in known.items() if _is_due_again(row, found[uid], listed_before, by_hand=by_hand)
    ]
    for uid in again:
        at_once = by_hand or known[uid].state != PullState.FOUND
        _find_again(connection, known[uid].id, found[uid], at_once=at_once)
    return new + again


def due_at_once() -> dict[str, Any]:
    """Return the columns of a study that is to be looked into at once, its attempts counted anew."""
    return {"state": PullState.FOUND, "state_at": now(), "attempts": 0, "not_before": AT_ONCE}


def _known(connection: sa.Connection, source: str, uids: Iterable[str]) -> dict[str, Any]:
    query = sa.select(pulls).where(pulls.c.source == source, pulls.c.study_instance_uid.in_(list(uids)))
    return {row.study_instance_uid: row for row in connection.execute(query)}


def _insert(connection: sa.Connection, source: str, new: Sequence[FoundStudy]) -> None:
    """Insert studies; another process may have found them meanwhile."""
    if not new:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [
        _as_told(each)
        | due_at_once()
        | {"source": source, "study_instance_uid": each.study_instance_uid, "found_at": now()}
        for each in new
    ]
    connection.execute(
        insert(pulls).on_conflict_do_nothing(index_elements=["source", "study_instance_uid"]), rows
    )


def _as_told(study: FoundStudy) -> dict[str, Any]:
    return {
        "study_date": study.study_date,
        "modalities": list(study.modalities),
        "told": study.instances,
    }


def _is_due_again(row: Any, told: FoundStudy, listed_before: datetime | None, *, by_hand: bool) -> bool:
    if row.state in (PullState.FOUND, PullState.ASKED):
        return True
    if (tuple(row.modalities), row.told) != (told.modalities, told.instances):
        return True
    if by_hand and row.state != PullState.COMPLETE:
        return True
    if row.state not in (PullState.COMPLETE, PullState.NOT_WANTED) or told.instances is not None:
        return False
    return listed_before is not None and row.listed_at is not None and row.listed_at < listed_before


def _find_again(connection: sa.Connection, pull_id: int, told: FoundStudy, *, at_once: bool) -> None:
    """Make a study due; the attempts of one that is just being asked for go on counting.

    One that was found before and was put back waits for its time unless it is due `at_once`.
    """
    this = pulls.c.id == pull_id
    connection.execute(sa.update(pulls).where(this).values(_as_told(told)))
    if at_once:
        again = sa.update(pulls).where(this, pulls.c.state != PullState.ASKED)
        connection.execute(again.values(due_at_once()))

"""What happened to an image, and why: questions to the ledger, answered as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, probabilities
from gateway.store.ledger import Ledger
from gateway.store.outbox import has_open, used_destinations
from gateway.store.schema import deliveries, destinations, events, instances, results


class Images:
    """Read-only questions. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def newest(
        self, *, limit: int = 50, state: str | None = None, study_instance_uid: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the newest images first, without their results and events."""
        query = sa.select(instances).order_by(instances.c.id.desc()).limit(limit)
        if state:
            query = query.where(instances.c.state == state)
        if study_instance_uid:
            query = query.where(instances.c.study_instance_uid == study_instance_uid)
        with self._ledger.transaction() as connection:
            return [_brief(row) for row in connection.execute(query).mappings()]

    def states(self) -> dict[str, int]:
        """Return how many images stand in each state."""
        query = sa.select(instances.c.state, sa.func.count()).group_by(instances.c.state)
        with self._ledger.transaction() as connection:
            return {str(state): count for state, count in connection.execute(query)}

    def away(self) -> list[tuple[str, str]]:
        """Return the destinations that were not reached at the last attempt, and why."""
        query = sa.select(destinations.c.name, destinations.c.error).where(destinations.c.failures > 0)
        with self._ledger.transaction() as connection:
            return [
                (name, error or "") for name, error in connection.execute(query.order_by(destinations.c.name))
            ]

    def hanging(self) -> list[tuple[str, datetime]]:
        """Return the destinations at which a delivery does not end, and since when."""
        query = sa.select(destinations.c.name, destinations.c.hangs_since)
        query = query.where(destinations.c.hangs_since.is_not(None)).order_by(destinations.c.name)
        with self._ledger.transaction() as connection:
            return [(name, since) for name, since in connection.execute(query)]

    def unrouted(self) -> dict[str, int]:
        """Return how many answers wait for a route, by calling AE title."""
        query = sa.select(instances.c.calling_ae_title, sa.func.count())
        query = query.where(instances.c.reason == Reason.NOT_ROUTED).group_by(instances.c.calling_ae_title)
        with self._ledger.transaction() as connection:
            return {str(title): count for title, count in connection.execute(query)}

    def waiting(self) -> list[str]:
        """Return the destinations for which results wait."""
        with self._ledger.transaction() as connection:
            return [name for name in used_destinations(connection) if has_open(connection, name)]

    def versions(self, sop_instance_uid: str) -> list[dict[str, Any]]:
        """Return every version received under this UID, newest first, with results, deliveries, events."""
        query = sa.select(instances).where(instances.c.sop_instance_uid == sop_instance_uid)
        with self._ledger.transaction() as connection:
            rows = connection.execute(query.order_by(instances.c.id.desc())).mappings().all()
            return [self._full(connection, row) for row in rows]

    def source_of(self, sop_instance_uid: str, number: int | None = None) -> str | None:
        """Return the file of one version, else of the one with an answer, else of the newest."""
        versions = sa.select(instances.c.path).where(instances.c.sop_instance_uid == sop_instance_uid)
        if number is not None:
            versions = versions.where(instances.c.id == number)
        best = versions.order_by(instances.c.label.is_(None), instances.c.id.desc()).limit(1)
        with self._ledger.transaction() as connection:
            path = connection.scalar(best)
        return None if path is None else str(self._ledger.absolute(path))

    def complete(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the images with these row numbers, in this order, with results, deliveries, events."""
        with self._ledger.transaction() as connection:
            rows = connection.execute(sa.select(instances).where(instances.c.id.in_(ids))).mappings()
            found = {row["id"]: row for row in rows}
            return [self._full(connection, found[number]) for number in ids if number in found]

    def _full(self, connection: sa.Connection, row: sa.RowMapping) -> dict[str, Any]:
        mine = results.c.instance_id == row["id"]
        kept = connection.execute(sa.select(results).where(mine).order_by(results.c.id)).mappings().all()
        return _brief(row) | {
            "id": row["id"],
            "study_description": row["study_description"],
            "scanner": row["scanner"],
            "size_bytes": row["size_bytes"],
            "transfer_syntax_uid": row["transfer_syntax_uid"],
            "source": str(self._ledger.absolute(row["path"])),
            "source_deleted_at": row["file_deleted_at"],
            "answer": row["answer"],
            "results": [self._result(result) for result in kept],
            "deliveries": _deliveries(connection, row["id"]),
            "events": _events(connection, row["id"]),
        }

    def _result(self, row: sa.RowMapping) -> dict[str, Any]:
        path = str(self._ledger.absolute(row["path"]))
        return {
            "kind": row["kind"],
            "media_type": row["media_type"],
            "name": row["name"],
            "sop_instance_uid": row["sop_instance_uid"],
            "path": path,
            "deleted_at": row["file_deleted_at"],
            "superseded_at": row["superseded_at"],
        }


def _brief(row: sa.RowMapping) -> dict[str, Any]:
    return {
        "sop_instance_uid": row["sop_instance_uid"],
        "study_instance_uid": row["study_instance_uid"],
        "sop_class_uid": row["sop_class_uid"],
        "calling_ae_title": row["calling_ae_title"],
        "received_at": row["received_at"],
        "state": row["state"],
        "state_at": row["state_at"],
        "reason": row["reason"],
        "detail": row["detail"],
        "label": row["label"],
        "probabilities": probabilities(row["p_pneumonia"]),
    }


def _deliveries(connection: sa.Connection, instance_id: int) -> list[dict[str, Any]]:
    query = (
        sa.select(
            deliveries.c.destination,
            results.c.kind,
            deliveries.c.state,
            deliveries.c.attempts,
            sa.func.coalesce(
                deliveries.c.last_error,
                sa.case((deliveries.c.open, destinations.c.error)),  # it is away: this one waits untried
            ).label("last_error"),
            deliveries.c.state_at,
        )
        .join(results, results.c.id == deliveries.c.result_id)
        .outerjoin(destinations, destinations.c.name == deliveries.c.destination)
        .where(results.c.instance_id == instance_id)
        .order_by(deliveries.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _events(connection: sa.Connection, instance_id: int) -> list[dict[str, Any]]:
    query = sa.select(events.c.time, events.c.event, events.c.data).where(events.c.instance_id == instance_id)
    rows = connection.execute(query.order_by(events.c.id))
    return [{"time": time, "event": event, **data} for time, event, data in rows]

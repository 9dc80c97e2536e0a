"""Where the results of the newest images went: `gateway route --last` compares routes with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from gateway.store.ledger import Ledger
from gateway.store.schema import answers, deliveries, instances, results

IDS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class RoutedImage:
    """An answered image.

    Attributes
    ----------
    file
        The received file, absolute; None where retention has deleted it.
    kinds
        Kind and media type of each standing result.
    destinations
        Where the standing results are or go, sorted.
    pulled_from
        The source that it was fetched from; None where a peer sent it.
    """

    sop_instance_uid: str
    calling_ae_title: str
    file: Path | None
    kinds: tuple[tuple[str, str], ...]
    destinations: tuple[str, ...]
    pulled_from: str | None = None


class RoutedImages:
    """Read-only. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def newest(self, limit: int) -> tuple[int, list[RoutedImage]]:
        """Return how many of the newest images there are, at most `limit`, and those with an answer."""
        columns = (
            instances.c.id,
            instances.c.sop_instance_uid,
            instances.c.calling_ae_title,
            instances.c.path,
            instances.c.file_deleted_at,
            instances.c.answer_id,
            instances.c.pulled_from,
        )
        newest = sa.select(*columns).order_by(instances.c.id.desc()).limit(limit)
        with self._ledger.transaction() as connection:
            rows = connection.execute(newest).all()
            answered = [row for row in rows if row.answer_id is not None]
            kinds, went = _of_results(connection, [row.id for row in answered])
        images = [
            RoutedImage(
                row.sop_instance_uid,
                row.calling_ae_title,
                None if row.file_deleted_at else self._ledger.absolute(row.path),
                tuple(sorted(kinds[row.id])),
                tuple(sorted(went[row.id])),
                row.pulled_from,
            )
            for row in answered
        ]
        return len(rows), images


def _of_results(
    connection: sa.Connection, ids: Sequence[int]
) -> tuple[dict[int, set[tuple[str, str]]], dict[int, set[str]]]:
    """Return the kinds of standing results, and their destinations, by image."""
    kinds: dict[int, set[tuple[str, str]]] = defaultdict(set)
    went: dict[int, set[str]] = defaultdict(set)
    query = (
        sa.select(results.c.instance_id, results.c.kind, results.c.media_type, deliveries.c.destination)
        .join(answers, answers.c.id == results.c.answer_id)
        .outerjoin(deliveries, deliveries.c.result_id == results.c.id)
        .where(answers.c.superseded_at.is_(None))
    )
    for first in range(0, len(ids), IDS_AT_ONCE):
        these = results.c.instance_id.in_(ids[first : first + IDS_AT_ONCE])
        for number, kind, media_type, destination in connection.execute(query.where(these)):
            kinds[number].add((kind, media_type))
            if destination is not None:
                went[number].add(destination)
    return kinds, went

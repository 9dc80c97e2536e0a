"""Where the standing results of chosen images are to go: decided before anything is changed.

`Requeue` plans, then changes rows. Headers are read between the two, in no transaction: nobody waits for a
disk with the database's lock in hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.rules.attributes import HeaderReader, NoHeader, no_header
from gateway.store.entries import Router
from gateway.store.headers import kept_header_of
from gateway.store.ledger import Ledger
from gateway.store.rejections import is_not_rejected
from gateway.store.schema import answers, instances, results

IDS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Shipment:
    """Results of some images, as a condition on the rows of both, and the destination that gets them."""

    which: sa.ColumnElement[bool]
    destination: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All shipments.

    Attributes
    ----------
    unrouted
        Calling AE titles of images that no route takes.
    unjudged
        How many images have no header any more by which a condition could be judged.
    """

    shipments: tuple[Shipment, ...]
    unrouted: tuple[str, ...] = ()
    unjudged: int = 0


def plan(ledger: Ledger, chosen: sa.ColumnElement[bool], route: Router) -> Plan:
    """Ask the routes where the results of the chosen images go; a condition has the header read.

    Raises
    ------
    Retry
        If the database is away.
    """
    with ledger.transaction() as connection:
        kinds = connection.execute(_kinds(chosen)).all()
    by_title: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for title, kind, media_type in kinds:
        by_title[title].append((kind, media_type))
    plans = [_plan_of(ledger, chosen, route, title, of) for title, of in by_title.items()]
    return Plan(
        tuple(each for part in plans for each in part.shipments),
        tuple(title for part in plans for title in part.unrouted),
        sum(part.unjudged for part in plans),
    )


def in_bits(ids: Sequence[int]) -> list[Sequence[int]]:
    """Cut numbers into parts that fit into one statement."""
    return [ids[first : first + IDS_AT_ONCE] for first in range(0, len(ids), IDS_AT_ONCE)]


def results_of(chosen: sa.ColumnElement[bool], *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Pick the results of the standing answers to the chosen images; those of rejected images stay."""
    joined = sa.select(*columns).join_from(results, instances, instances.c.id == results.c.instance_id)
    joined = joined.join(answers, answers.c.id == results.c.answer_id)
    return joined.where(chosen, is_not_rejected(), answers.c.superseded_at.is_(None))


def unindexed(column: sa.Column[str]) -> sa.ColumnElement[str]:
    """Return the column's value as an expression without an index: that of the chosen images is better."""
    return column.concat("")


def _kinds(chosen: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Pick the senders of the answered images, and the kinds of their results."""
    columns = instances.c.calling_ae_title, results.c.kind, results.c.media_type
    return results_of(chosen, *columns).distinct().order_by(*columns)


def _plan_of(
    ledger: Ledger,
    chosen: sa.ColumnElement[bool],
    route: Router,
    title: str,
    kinds: Sequence[tuple[str, str]],
) -> Plan:
    """Plan for the images of one sender: together, or one by one where a condition needs their headers."""
    these = chosen & (unindexed(instances.c.calling_ae_title) == title)
    try:
        names = {kind: tuple(route(title, kind, media_type, no_header)) for kind, media_type in kinds}
    except NoHeader:
        return _plan_each(ledger, these, route, title, kinds)
    shipments = [
        Shipment(these & (results.c.kind == kind), name) for kind, found in names.items() for name in found
    ]
    return Plan(tuple(shipments), () if shipments else (title,))


def _plan_each(
    ledger: Ledger,
    these: sa.ColumnElement[bool],
    route: Router,
    title: str,
    kinds: Sequence[tuple[str, str]],
) -> Plan:
    columns = instances.c.id, instances.c.path, instances.c.file_deleted_at, instances.c.pulled_from
    with ledger.transaction() as connection:
        rows = connection.execute(results_of(these, *columns).distinct().order_by(instances.c.id)).all()
    ids: dict[tuple[str, str], list[int]] = defaultdict(list)
    unrouted, unjudged = False, 0
    for row in rows:
        path = None if row.file_deleted_at else ledger.absolute(row.path)
        header = kept_header_of(ledger, path, row.pulled_from)
        try:
            found = list(_found(route, title, kinds, header))
        except NoHeader:
            unjudged += 1
            continue
        unrouted |= not found
        for kind_and_name in found:
            ids[kind_and_name].append(row.id)
    shipments = [
        Shipment(these & instances.c.id.in_(some) & (results.c.kind == kind), name)
        for (kind, name), numbers in ids.items()
        for some in in_bits(numbers)
    ]
    return Plan(tuple(shipments), (title,) if unrouted else (), unjudged)


def _found(
    route: Router, title: str, kinds: Sequence[tuple[str, str]], header: HeaderReader
) -> Iterator[tuple[str, str]]:
    for kind, media_type in kinds:
        for name in route(title, kind, media_type, header):
            yield kind, name

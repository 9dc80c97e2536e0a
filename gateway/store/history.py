"""Rows of events and timings, written together as the last ones of a transaction.

`Session` calls it. On PostgreSQL one statement inserts both, whatever their numbers: each statement costs a
round trip there, and a statement of one text is prepared once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.store.schema import events, timings

_EVENTS = sa.insert(events).inline()
_TIMINGS = sa.insert(timings).inline()
_BOTH = """
    WITH timed AS (
        INSERT INTO timings (stage, seconds, time)
        SELECT * FROM unnest(%s::text[], %s::float8[], %s::timestamptz[])
    )
    INSERT INTO events (instance_id, time, event, data)
    SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::text[]::json[])
"""


def write_history(
    connection: sa.Connection, told: Sequence[dict[str, Any]], timed: Sequence[dict[str, Any]]
) -> None:
    """Insert rows of events and of timings, each in order."""
    if connection.dialect.name == "postgresql" and (told or timed):
        told = [row | {"data": json.dumps(row["data"])} for row in told]
        values = _columns(timed, "stage", "seconds", "time")
        connection.exec_driver_sql(_BOTH, (*values, *_columns(told, "instance_id", "time", "event", "data")))
        return
    for statement, rows in ((_TIMINGS, timed), (_EVENTS, told)):
        if rows:
            connection.execute(statement, rows)


def _columns(rows: Sequence[dict[str, Any]], *names: str) -> list[list[Any]]:
    return [[row[name] for row in rows] for name in names]

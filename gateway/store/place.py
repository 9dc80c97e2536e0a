"""Place in a list that is sorted by a time, newest first: each page begins behind the last row of another.

The place is the row's time and number as they were on that page, so that a row which moves to the front
meanwhile is shown twice rather than leading back to the front.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
PATTERN = r"^(\d{1,17}-\d{1,16})?$"
"""Of a place in an address; empty for the first page."""


class Place(NamedTuple):
    """A row's time and number."""

    time: datetime
    id: int

    def __str__(self) -> str:
        """Return the place for an address."""
        return f"{(self.time - _EPOCH) // _MICROSECOND}-{self.id}"

    @classmethod
    def of(cls, text: str) -> Place | None:
        """Return the place that a text of `PATTERN` names; None of an empty one."""
        if not text:
            return None
        microseconds, number = text.split("-")
        return cls(_EPOCH + int(microseconds) * _MICROSECOND, int(number))


def newest_behind(
    query: sa.Select[Any],
    time: sa.Column[datetime],
    number: sa.Column[int],
    place: Place | None,
    limit: int,
) -> sa.Select[Any]:
    """Sort a query by time and number, newest first, from behind a place on."""
    query = query.order_by(time.desc(), number.desc()).limit(limit)
    if place is None:
        return query
    at = sa.tuple_(sa.literal(place.time, time.type), sa.literal(place.id))
    return query.where(sa.tuple_(time, number) < at)

"""Links between the pages of a list that is sorted by a time (`Place`): to its newest and to older rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from gateway.store.place import PATTERN, Place

Behind = Annotated[str, Query(max_length=40, pattern=PATTERN)]
"""Parameter of such a page: the place of the last row of the page before."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Addresses of the first page and of the next; empty where this is it, or there is none."""

    newest: str
    older: str


def pages(path: str, filters: Mapping[str, str], behind: str, places: Sequence[Place], rows: int) -> Pages:
    """Return the links of a page that shows the first `rows` of `places`; one more means that more follow."""
    stated = {name: value for name, value in filters.items() if value}
    older = _address(path, stated | {"behind": str(places[rows - 1])}) if len(places) > rows else ""
    return Pages(_address(path, stated) if behind else "", older)


def _address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path

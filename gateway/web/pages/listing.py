"""All rows of a search of the worklist, a page at a time: for the CSV and for what is done to many images."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.store.queries.filters import Search
from gateway.store.queries.worklist import NEWEST, Page, View
from gateway.web.site import Site

AT_ONCE = 500


def pages_of(site: Site, search: Search, before: int | None = None, view: View = NEWEST) -> Iterator[Page]:
    """Yield the images that a search finds, newest first, in pages; no transaction lasts between them.

    `before` leaves out the images from this row number on.

    Raises
    ------
    Retry
        If the database is away.
    """
    while True:
        page = site.worklist.page(search, before=before, limit=AT_ONCE, view=view)
        yield page
        if page.older is None:
            return
        before = page.older

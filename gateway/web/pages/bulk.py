"""`/bulk`: retry, or send again, what a search of the worklist finds or what was ticked there.

A page tells the number of images first. The request then does what `gateway retry` and `gateway resend` do to
the images that were there when the number was told. Each transaction takes some hundred images: an end in the
middle leaves whole images, and the same request again does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from gateway.deliver.routing import route_of
from gateway.records import Reason, State
from gateway.store.entries import DeliveryState
from gateway.store.queries.filters import Search
from gateway.store.queries.views import WorklistRow
from gateway.store.queries.worklist import Page
from gateway.store.requeue import IMAGES_AT_ONCE, Begun, Requeue, Requeued, Selection
from gateway.telemetry.events import Event
from gateway.web.pages.listing import pages_of
from gateway.web.pages.templates import page
from gateway.web.pages.worklist import LARGEST_KEY, Fields, in_plain, search_of
from gateway.web.security.audit import in_words, record_requeued
from gateway.web.security.guard import unknown_destination
from gateway.web.site import Site

MOST_IMAGES = 10_000
"""Images that a request may be about; a larger search is to be narrowed."""
MOST_TICKED = 500

Action = Literal["retry", "resend"]
Row = Annotated[int, Query(ge=1, le=LARGEST_KEY)]
Rows = Annotated[list[Row], Query(alias="row", max_length=MOST_TICKED)]


@dataclass(frozen=True, slots=True)
class Found:
    """The images of a request, as row numbers.

    Attributes
    ----------
    ids
        Those that something is to be done with.
    matching
        How many there are, those with nothing to do included.
    newest
        Number of the newest image that was there; later ones are no part of the request.
    """

    ids: tuple[int, ...]
    matching: int
    newest: int
    too_many: bool = False

    @property
    def count(self) -> int:
        """Return with how many images something is to be done."""
        return len(self.ids)


def routes(site: Site) -> APIRouter:
    """Return the page that tells the number, and the request that it confirms."""
    router = APIRouter(include_in_schema=False)

    @router.get("/bulk", response_class=HTMLResponse)
    def ask(request: Request, action: Action, fields: Fields, rows: Rows = []) -> Response:  # noqa: B006
        found = _find(site, action, search_of(site, request, fields), rows)
        return _page(request, site, action, fields, rows, found)

    @router.post("/bulk", response_class=HTMLResponse)
    def do(
        request: Request,
        action: Action,
        fields: Fields,
        count: Annotated[int, Form(ge=1, le=MOST_IMAGES)],
        newest: Annotated[int, Form(ge=0, le=LARGEST_KEY)],
        to: Annotated[str, Form(max_length=64)] = "",
        rows: Rows = [],  # noqa: B006
    ) -> Response:
        if to and to not in [each.name for each in site.settings.destinations]:
            return unknown_destination(to)
        found = _find(site, action, search_of(site, request, fields), rows, newest)
        if found.too_many or found.count != count:
            response = _page(request, site, action, fields, rows, found, changed=True)
            response.status_code = HTTPStatus.CONFLICT
            return response
        which = f"ticked: {len(rows)}" if rows else in_words(in_plain(site, request, fields))
        done, notes = _do(request, site, action, found.ids, to, which)
        return _page(request, site, action, fields, rows, found, done=done, notes=notes)

    return router


def _page(
    request: Request,
    site: Site,
    action: Action,
    fields: dict[str, str],
    rows: Sequence[int],
    found: Found,
    *,
    changed: bool = False,
    done: str | None = None,
    notes: Sequence[str] = (),
) -> HTMLResponse:
    typed = in_plain(site, request, fields)
    about = {"action": action, "fields": fields, "rows": rows, "found": found, "most": MOST_IMAGES}
    told = {"typed": typed, "changed": changed, "done": done, "notes": notes}
    names = [each.name for each in site.settings.destinations]
    return page(request, site, "bulk.html", **about, **told, destinations=names)


# --- which images


def _find(
    site: Site, action: Action, search: Search, rows: Sequence[int], newest: int = LARGEST_KEY
) -> Found:
    pages = _ticked(site, rows) if rows else pages_of(site, search, newest + 1)
    first = next(pages)
    every = chain(first.rows, chain.from_iterable(page.rows for page in pages))
    images = list(islice(every, MOST_IMAGES + 1))
    is_due = _may_be_retried if action == "retry" else _may_be_sent
    return Found(
        tuple(row.id for row in images if is_due(row)),
        len(images),
        max((row.id for row in images), default=0),
        too_many=len(images) > MOST_IMAGES or first.cut,
    )


def _ticked(site: Site, rows: Sequence[int]) -> Iterator[Page]:
    """Yield the ticked images, each by the page that it begins."""
    for number in sorted(set(rows), reverse=True):
        page = site.worklist.page(Search(), before=number + 1, limit=1)
        yield replace(page, rows=tuple(row for row in page.rows if row.id == number))


def _may_be_retried(row: WorklistRow) -> bool:
    given_up = any(each.state is DeliveryState.DEAD for each in row.deliveries)
    return row.state is State.FAILED or given_up


def _may_be_sent(row: WorklistRow) -> bool:
    return row.label is not None and row.reason != Reason.REJECTED


# --- what is done to them


def _do(
    request: Request, site: Site, action: Action, ids: Sequence[int], to: str, which: str
) -> tuple[str, list[str]]:
    """Requeue the images; return what was done, and what could not be. Audited also where it ends early."""
    done = 0
    parts: list[Begun | Requeued] = []
    event = Event.BULK_RETRIED if action == "retry" else Event.BULK_RESENT
    requeue, route = Requeue(site.ledger), route_of(site.settings, only=to or None)
    try:
        for first in range(0, len(ids), IMAGES_AT_ONCE):
            some = tuple(ids[first : first + IMAGES_AT_ONCE])
            if action == "retry":
                parts.append(requeue.retry_these(some, route))
            else:
                parts.append(requeue.resend(Selection(ids=some), route))
            done += len(some)
    finally:
        record_requeued(request, event, done, f"{which}{f', to {to}' if to else ''}")
    return _told(parts), _notes(parts)


def _told(parts: Sequence[Begun | Requeued]) -> str:
    deliveries = sum(each.deliveries for each in parts)
    images = sum(each.images for each in parts)
    if any(isinstance(each, Begun) for each in parts):
        return f"{images} images wait for an answer again, {deliveries} results for their destination."
    return f"{deliveries} results of {images} images wait for their destination again."


def _notes(parts: Sequence[Begun | Requeued]) -> list[str]:
    notes = []
    titles = sorted({title for each in parts for title in each.unrouted})
    if titles:
        notes.append(f"No route takes images of {', '.join(titles)}: state one, then retry.")
    sent = [each for each in parts if isinstance(each, Requeued)]
    if deleted := sum(each.deleted for each in sent):
        notes.append(f"{deleted} images have no results any more; gateway reprocess makes them anew.")
    if unjudged := sum(each.unjudged for each in sent):
        notes.append(f"{unjudged} images have no file any more by which a route could be found.")
    return notes

"""`/refusals`: images and associations that were turned away, and why."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from gateway.store.place import Place
from gateway.web.pages.by_time import Behind, pages
from gateway.web.pages.templates import page
from gateway.web.site import Site

ROWS = 100


def routes(site: Site) -> APIRouter:
    """Return the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/refusals", response_class=HTMLResponse)
    def show(request: Request, behind: Behind = "") -> Response:
        rows = site.refusals.newest(ROWS + 1, behind=Place.of(behind))
        places = [Place(each.last_at, each.id) for each in rows]
        beside = pages("/refusals", {}, behind, places, ROWS)
        return page(request, site, "refusals.html", rows=rows[:ROWS], pages=beside)

    return router

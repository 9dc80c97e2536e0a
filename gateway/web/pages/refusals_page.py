"""`/refusals`: images and associations that were turned away, and why."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from gateway.web.pages.templates import page
from gateway.web.site import Site

ROWS = 200


def routes(site: Site) -> APIRouter:
    """Return the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/refusals", response_class=HTMLResponse)
    def show(request: Request) -> Response:
        return page(request, site, "refusals.html", rows=site.refusals.newest(ROWS))

    return router

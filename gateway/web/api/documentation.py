"""`/docs`: the API's description with Swagger UI from local files; it works without the internet."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from gateway.web.pages.templates import page
from gateway.web.site import Site


def routes(site: Site) -> APIRouter:
    """Return the route `/docs`; FastAPI serves `/openapi.json`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs", response_class=HTMLResponse)
    def docs(request: Request) -> Response:
        return page(request, site, "docs.html")

    return router

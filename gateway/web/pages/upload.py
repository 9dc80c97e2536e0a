"""`/upload`: pictures and DICOM files of one's own, each answered at once and not kept."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from gateway.web.pages.templates import page
from gateway.web.site import Site

MOST_FILES = 200
"""Files of one upload; the page sends one after the other."""


def routes(site: Site) -> APIRouter:
    """Return the upload page; it is the whole site where `web.public_upload` is set."""
    router = APIRouter(include_in_schema=False)
    public = site.settings.web.public_upload

    def upload(request: Request) -> Response:
        bounds = {"most": MOST_FILES, "most_mb": site.settings.web.max_upload_mb}
        return page(request, site, "upload.html", public=public, **bounds)

    router.add_api_route("/upload", upload, response_class=HTMLResponse)
    if public:
        router.add_api_route("/", upload, response_class=HTMLResponse)
    return router

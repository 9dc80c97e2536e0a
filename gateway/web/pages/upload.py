"""`/upload`: a picture or DICOM file of one's own, answered at once and not kept."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from gateway.web.pages.templates import page
from gateway.web.site import Site


def routes(site: Site) -> APIRouter:
    """Return the upload page; it is the whole site where `web.public_upload` is set."""
    router = APIRouter(include_in_schema=False)
    public = site.settings.web.public_upload

    def upload(request: Request) -> Response:
        return page(request, site, "upload.html", public=public)

    router.add_api_route("/upload", upload, response_class=HTMLResponse)
    if public:
        router.add_api_route("/", upload, response_class=HTMLResponse)
    return router

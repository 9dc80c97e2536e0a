"""The web application: every route, and what stands around them."""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError
from starlette.requests import ClientDisconnect

from gateway import __version__
from gateway.errors import Retry
from gateway.files.spare_descriptor import EXHAUSTED
from gateway.results.answer import RESEARCH_BANNER
from gateway.web.api import (
    documentation,
    downloads,
    health,
    metrics,
    prediction,
    routes,
    stow,
    study_zip,
    worklist_csv,
)
from gateway.web.hung_disk import HungDisk
from gateway.web.pages import (
    bulk,
    concordance_page,
    dashboard,
    priors,
    pulls_page,
    refusals_page,
    report,
    sending,
    upload,
    worklist,
)
from gateway.web.pages.problem_page import ProblemPages
from gateway.web.security import sign_in
from gateway.web.security.guard import Guard, SafeHeaders, UnequivocalRequests, Upload, problem
from gateway.web.site import Site
from gateway.web.viewer import pictures

STATIC = Path(__file__).parent / "static"
PUBLIC = (upload, prediction, documentation, health)
PRIVATE = (
    worklist,
    report,
    priors,
    sending,
    pictures,
    downloads,
    study_zip,
    worklist_csv,
    bulk,
    concordance_page,
    refusals_page,
    pulls_page,
    dashboard,
    routes,
    stow,
    metrics,
    sign_in,
)
SPACES = "https://huggingface.co"  # shows public demonstrations in a frame


def create_application(site: Site) -> FastAPI:
    """Return the ASGI application over an open site."""
    app = FastAPI(
        title="CXR Gateway",
        version=__version__,
        description=f"{RESEARCH_BANNER}. DICOM gateway for chest radiographs.",
        docs_url=None,
        redoc_url=None,
    )
    public = site.settings.web.public_upload
    for part in PUBLIC if public else (*PUBLIC, *PRIVATE):
        app.include_router(part.routes(site))
    app.mount("/static", _Static(directory=STATIC))
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Retry, _not_now)
    app.add_exception_handler(OSError, _exhausted)
    app.add_exception_handler(DataError, _unthinkable)
    app.add_middleware(Upload, most_bytes=site.settings.web.max_upload_mb << 20)
    app.add_middleware(HungDisk, data_dir=site.data_dir)
    if not public:
        app.add_middleware(Guard, access=site.access)
    app.add_middleware(UnequivocalRequests)
    app.add_middleware(ProblemPages, site=site)
    app.add_middleware(SafeHeaders, frames=SPACES if public else "'none'")
    return app


def _gone(_: Request, __: Exception) -> Response:
    """The client left in the middle of its body: nobody reads this, and nothing of it was kept."""
    return problem(HTTPStatus.BAD_REQUEST, "the connection ended within the body")


def _not_now(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})


def _exhausted(_: Request, error: Exception) -> Response:
    """Tell that the process has no descriptor or memory left for now; any other error is a bug."""
    if not isinstance(error, OSError) or error.errno not in EXHAUSTED:
        raise error
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, os.strerror(error.errno), {"Retry-After": "5"})


def _unthinkable(_: Request, __: Exception) -> Response:
    return problem(HTTPStatus.BAD_REQUEST, "the request asks for what no database holds, such as a NUL")


class _Static(StaticFiles):
    """Files that only change with the version: they are asked for again, and seldom sent."""

    def file_response(self, *arguments: object, **keywords: object) -> Response:
        response = super().file_response(*arguments, **keywords)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response

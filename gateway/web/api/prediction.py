"""`POST /predict`: one PNG, JPEG or DICOM file in, one answer out; nothing is stored."""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from gateway.dicom.statuses import Refuse
from gateway.errors import ConfigurationError, Reject
from gateway.imaging.png_jpeg import is_png_or_jpeg
from gateway.peer_text import clean
from gateway.receive.incoming import Sender
from gateway.receive.intake import examine
from gateway.receive.part_10 import MARK_BYTES, ArrivedFile, is_part_10
from gateway.web.api.multipart import NotMultipart, Part, TooManyParts, form_boundary_of, parts_of
from gateway.web.body import Body, write_all
from gateway.web.concurrency_limit import ConcurrencyLimit
from gateway.web.security.access import client_of
from gateway.web.security.guard import problem
from gateway.web.security.rate_limit import RateLimit
from gateway.web.site import Site

MOST_WAITING = 16
NO_SENDER = Sender("", "", "")
_FIELD = "file"
_NO_FILE = "send a form (multipart/form-data) whose field `file` holds the image"
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [_FIELD],
                    "properties": {
                        _FIELD: {"type": "string", "format": "binary", "description": "PNG, JPEG or DICOM"}
                    },
                }
            }
        },
    }
}


Probabilities = dict[str, float]
"""Calibrated probabilities of the model's two classes, 0–1, by name."""


class Region(BaseModel):
    """The part of the image that the classifier saw: `cropped` to the lungs, `whole`, or `no_lungs` in it.

    Box and coverage are shares of the image, 0–1.
    """

    outcome: str
    text: str
    box: dict[str, float] | None
    coverage: float | None
    reason: str | None


class Prediction(BaseModel):
    """The answer. RESEARCH ONLY - NOT FOR DIAGNOSTIC USE."""

    label: str
    score: float | None
    probabilities: Probabilities | None
    reason: str | None
    detail: str | None = None
    region: Region | None = None
    model: str
    threshold: float
    file: str


class Problem(BaseModel):
    """A problem in one sentence."""

    detail: str


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The form cannot be read"},
    413: {"model": Problem, "description": "More than web.max_upload_mb"},
    415: {"model": Problem, "description": "Neither PNG nor JPEG nor DICOM"},
    422: {"model": Problem, "description": "No file, or one that cannot be decoded"},
    429: {"model": Problem, "description": "Too often; Retry-After says when again"},
    503: {"model": Problem, "description": "The model cannot be opened, or too many wait"},
}


def routes(site: Site) -> APIRouter:
    """Return the route `POST /predict`."""
    router = APIRouter(tags=["prediction"])
    room = ConcurrencyLimit(at_once=1, waiting=MOST_WAITING)
    limit = RateLimit(site.settings.web.predictions_per_minute)

    @router.post(
        "/predict",
        summary="Answer for one PNG, JPEG or DICOM file",
        response_model=Prediction,
        responses=ERRORS,
        openapi_extra=_FORM,
    )
    async def predict(request: Request) -> Any:
        wait = limit.take(client_of(request))
        if wait:
            later = {"Retry-After": str(int(wait) + 1)}
            return problem(HTTPStatus.TOO_MANY_REQUESTS, f"wait {wait:.0f} s", later)
        boundary = form_boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, _NO_FILE)
        async with room.turn(), site.bodies.taken(request) as body:
            return await run_in_threadpool(_predict, site, body, boundary)

    return router


def _predict(site: Site, body: Body, boundary: str) -> Response | dict[str, Any]:
    try:
        part = next((each for each in parts_of(body, boundary) if each.field()[0] == _FIELD), None)
    except (NotMultipart, TooManyParts) as error:
        return problem(HTTPStatus.BAD_REQUEST, str(error))
    if part is None:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, _NO_FILE)
    mark = body.read(part.begin, min(part.end, part.begin + MARK_BYTES))
    if not (is_png_or_jpeg(mark) or is_part_10(mark)):
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send a PNG, JPEG or DICOM (Part 10) file")
    try:
        line, failed = _ask(site, body, part, is_dicom=is_part_10(mark))
    except Refuse as refusal:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, refusal.reason)
    except Reject as rejection:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, rejection.detail)
    except ConfigurationError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    if failed:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(line["detail"]))
    return line | {"file": clean(part.field()[1], 255)}


def _ask(site: Site, body: Body, part: Part, *, is_dicom: bool) -> tuple[dict[str, Any], bool]:
    content = body.view(part.begin, part.end)
    if is_dicom:
        examine(ArrivedFile(content, NO_SENDER))  # bombs and halves are refused before anything is inflated
    with site.bodies.file() as file:
        write_all(file, content)
        return site.sandbox.answer(Path(f"/proc/{os.getpid()}/fd/{file.fileno()}"))  # it has no other name

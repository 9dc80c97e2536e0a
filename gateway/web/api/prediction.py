"""`POST /predict`: one PNG, JPEG or DICOM file in, one answer out; `POST /predict/KIND`: one result of it.

Nothing is stored: who wants SR and SC sends the file again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from gateway.dicom.statuses import Refuse
from gateway.errors import ConfigurationError, Reject
from gateway.imaging.png_jpeg import is_png_or_jpeg
from gateway.peer_text import clean
from gateway.receive.incoming import Sender
from gateway.receive.intake import examine
from gateway.receive.part_10 import MARK_BYTES, ArrivedFile, is_part_10
from gateway.records import DICOM
from gateway.web.api.multipart import NotMultipart, Part, TooManyParts, form_boundary_of, parts_of
from gateway.web.api.prediction_sandbox import offered
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


Ask = Callable[[Path, str], Response | dict[str, Any]]
"""Answers for a file and its sender's name for it."""

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
    """The answer. RESEARCH ONLY - NOT FOR DIAGNOSTIC USE.

    `results` are the kinds that `POST /predict/KIND` gives for this file. With `drawn`, `picture` is a JPEG
    and `map` a PNG that spans it, both in base64.
    """

    label: str
    score: float | None
    probabilities: Probabilities | None
    reason: str | None
    detail: str | None = None
    region: Region | None = None
    model: str
    threshold: float
    file: str
    results: list[str] = []
    picture: str | None = None
    map: str | None = None


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
_RESULT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The result",
        "content": {DICOM: {"schema": {"type": "string", "format": "binary"}}},
    },
    404: {"model": Problem, "description": "No such kind of result"},
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
    async def predict(
        request: Request,
        drawn: Annotated[bool, Query(description="Also return the picture and its activation map")] = False,
    ) -> Any:
        def answer(file: Path, name: str) -> Response | dict[str, Any]:
            line, failed = site.sandbox.answer(file, drawn=drawn)
            if failed:
                return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(line["detail"]))
            return line | {"file": clean(name, 255)}

        return await _asked(request, answer)

    @router.post(
        "/predict/{kind}",
        summary="SR, SC or another result for one DICOM file",
        response_class=Response,
        responses=ERRORS
        | {200: {"content": {DICOM: {}}}, 404: {"model": Problem, "description": "No such kind"}},
        openapi_extra=_FORM,
    )
    async def result(request: Request, kind: Annotated[str, PathParameter(max_length=32)]) -> Any:
        if kind not in offered(site.settings):
            kinds = ", ".join(offered(site.settings)) or "none"
            return problem(HTTPStatus.NOT_FOUND, f"no such kind of result; there are {kinds}")

        def build(file: Path, _: str) -> Response:
            found = site.sandbox.result(file, kind)
            if isinstance(found, str):
                return problem(HTTPStatus.UNPROCESSABLE_ENTITY, found)
            named = {"Content-Disposition": f'attachment; filename="{found.name}"'}
            return Response(found.content, media_type=found.media_type, headers=named)

        return await _asked(request, build)

    async def _asked(request: Request, ask: Ask) -> Any:
        wait = limit.take(client_of(request))
        if wait:
            later = {"Retry-After": str(int(wait) + 1)}
            return problem(HTTPStatus.TOO_MANY_REQUESTS, f"wait {wait:.0f} s", later)
        boundary = form_boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, _NO_FILE)
        async with room.turn(), site.bodies.taken(request) as body:
            return await run_in_threadpool(_answered, site, body, boundary, ask)

    return router


def _answered(site: Site, body: Body, boundary: str, ask: Ask) -> Response | dict[str, Any]:
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
        with _file_of(site, body, part, is_dicom=is_part_10(mark)) as file:
            return ask(file, part.field()[1])
    except Refuse as refusal:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, refusal.reason)
    except Reject as rejection:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, rejection.detail)
    except ConfigurationError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


@contextmanager
def _file_of(site: Site, body: Body, part: Part, *, is_dicom: bool) -> Iterator[Path]:
    content = body.view(part.begin, part.end)
    if is_dicom:
        examine(ArrivedFile(content, NO_SENDER))  # bombs and halves are refused before anything is inflated
    with site.bodies.file() as file:
        write_all(file, content)
        yield Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")  # it has no other name

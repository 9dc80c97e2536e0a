"""`POST /predict`, as on the model card: one picture or DICOM file in, one answer out; nothing is kept."""

from __future__ import annotations

import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from gateway.errors import ConfigurationError, Reject
from gateway.receive.statuses import Refuse
from gateway.records import Label
from gateway.web.access import client_of
from gateway.web.guard import problem
from gateway.web.oracle import Oracle
from gateway.web.part_10 import is_part_10, read_part_10
from gateway.web.rate_limit import RateLimit
from gateway.web.site import Site
from gateway.web.waiting_room import WaitingRoom

MOST_WAITING = 16
_MARKS = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg"}


class Probabilities(BaseModel):
    """Calibrated probabilities, 0–1."""

    Normal: float
    Pneumonia: float


class Prediction(BaseModel):
    """The answer. RESEARCH ONLY - NOT FOR DIAGNOSTIC USE."""

    label: Label
    probabilities: Probabilities | None
    reason: str | None
    detail: str | None = None
    model: str
    threshold: float
    file: str


class Problem(BaseModel):
    """What is wrong, in one sentence."""

    detail: str


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The form cannot be read"},
    413: {"model": Problem, "description": "More than web.max_upload_mb"},
    415: {"model": Problem, "description": "Neither PNG nor JPEG nor DICOM"},
    422: {"description": "No file, or one that cannot be decoded"},
    429: {"model": Problem, "description": "Too often; Retry-After says when again"},
    503: {"model": Problem, "description": "The model cannot be opened, or too many wait"},
}


def routes(site: Site) -> APIRouter:
    """Return `POST /predict`."""
    router = APIRouter(tags=["prediction"])
    room = WaitingRoom(at_once=1, waiting=MOST_WAITING)
    limit = RateLimit(site.settings.web.predictions_per_minute)

    @router.post(
        "/predict",
        summary="Answer for one PNG, JPEG or DICOM file",
        response_model=Prediction,
        responses=ERRORS,
    )
    async def predict(
        request: Request, file: Annotated[UploadFile, File(description="PNG, JPEG or DICOM")]
    ) -> Any:
        wait = limit.take(client_of(request))
        if wait:
            later = {"Retry-After": str(int(wait) + 1)}
            return problem(HTTPStatus.TOO_MANY_REQUESTS, f"wait {wait:.0f} s", later)
        async with room.turn():
            return await run_in_threadpool(_predict, site.oracle, file)

    return router


def _predict(oracle: Oracle, upload: UploadFile) -> Response | dict[str, Any]:
    content = upload.file.read()
    suffix = _suffix(content)
    if suffix is None:
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send a PNG, JPEG or DICOM (Part 10) file")
    try:
        if suffix == ".dcm":
            read_part_10(memoryview(content))  # refuses bombs and halves before anything is inflated
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(content)
            file.flush()
            line, failed = oracle.answer(Path(file.name))
    except Refuse as refusal:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, refusal.reason)
    except Reject as rejection:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, rejection.detail)
    except ConfigurationError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    if failed:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(line["detail"]))
    return line | {"file": upload.filename or ""}


def _suffix(content: bytes) -> str | None:
    for mark, suffix in _MARKS.items():
        if content.startswith(mark):
            return suffix
    return ".dcm" if is_part_10(content) else None

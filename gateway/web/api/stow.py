"""`POST /dicomweb/studies`: the HTTP side of STOW-RS (PS3.18 section 10.5).

The body goes to disk, and each of its parts to `receive.stow`, which keeps the instance with the promise and
the statuses of C-STORE.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from gateway.dicom.uid import is_uid
from gateway.receive.stow import StoreResponse, Stow
from gateway.web.api.multipart import MOST_PARTS, NotMultipart, TooManyParts, boundary_of, parts_of
from gateway.web.body import Body, Share
from gateway.web.concurrency_limit import ConcurrencyLimit
from gateway.web.security.access import client_of
from gateway.web.security.guard import problem
from gateway.web.site import Site

DICOM_JSON = "application/dicom+json"
RETRY_AFTER_SECONDS = "30"
BODIES_AT_ONCE = 4
BODIES_WAITING = 32
MAPPED_BYTES = 64 << 20
"""Limit on the bytes of concurrently stored parts; a larger part is stored alone."""
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "All instances are on disk", "content": {DICOM_JSON: {}}},
    202: {"description": "Some are; the others are in FailedSOPSequence", "content": {DICOM_JSON: {}}},
    400: {
        "description": "The body is no multipart/related of DICOM files, or is cut: nothing of it is kept; "
        "or the path names no UID"
    },
    408: {"description": "The body did not come in time"},
    409: {"description": "None is; FailedSOPSequence says why", "content": {DICOM_JSON: {}}},
    413: {"description": f"More than web.max_upload_mb, or than {MOST_PARTS} instances"},
    415: {"description": 'Not multipart/related; type="application/dicom", or with a Content-Encoding'},
    503: {"description": "No room now; Retry-After says when to try again", "content": {DICOM_JSON: {}}},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"multipart/related": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def routes(site: Site) -> APIRouter:
    """Return `POST /dicomweb/studies` and `POST /dicomweb/studies/{study}`."""
    router = APIRouter(prefix="/dicomweb", tags=["DICOMweb"])
    stow = Stow(site.intake, site.settings.web.stow_ae_title, site.settings.scp.ae_title)
    desk = _Desk(stow, Share(MAPPED_BYTES))
    room = ConcurrencyLimit(BODIES_AT_ONCE, BODIES_WAITING)

    async def store(request: Request, study_instance_uid: str | None) -> Response:
        if refusal := _refused_head(request, study_instance_uid):
            return refusal
        boundary = boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            detail = 'send multipart/related; type="application/dicom"'
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        try:
            async with room.turn(), site.bodies.taken(request) as body:
                client = client_of(request)
                return await run_in_threadpool(desk.store, body, boundary, client, study_instance_uid)
        except TooManyParts as error:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
        except NotMultipart as error:
            return problem(HTTPStatus.BAD_REQUEST, str(error))

    @router.post("/studies", summary="Store instances", responses=_RESPONSES, openapi_extra=_BODY)
    async def store_instances(request: Request) -> Response:
        return await store(request, None)

    @router.post(
        "/studies/{study_instance_uid}",
        summary="Store instances of one study",
        responses=_RESPONSES,
        openapi_extra=_BODY,
    )
    async def store_instances_of_study(request: Request, study_instance_uid: str) -> Response:
        return await store(request, study_instance_uid)

    return router


def _refused_head(request: Request, study_instance_uid: str | None) -> Response | None:
    if study_instance_uid is not None and not is_uid(study_instance_uid):
        return problem(HTTPStatus.BAD_REQUEST, "the path names no Study Instance UID")
    if request.headers.get("content-encoding", "identity") != "identity":  # RFC 9110 15.5.16
        plain = {"Accept-Encoding": "identity"}
        detail = "send the body without Content-Encoding"
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, plain)
    return None


class _Desk:
    """Hands the files of a body over one by one and answers for all of them."""

    def __init__(self, stow: Stow, mapped: Share) -> None:
        self._stow = stow
        self._mapped = mapped

    def store(self, body: Body, boundary: str, address: str, study_instance_uid: str | None) -> Response:
        outcomes = []
        for part in parts_of(body, boundary):
            with self._mapped.of(part.end - part.begin):
                content = body.view(part.begin, part.end)
                outcomes.append(self._stow.store(content, address, study_instance_uid))
                del content  # unmapped before the next part comes
        return _answer(StoreResponse.of(outcomes))


def _answer(response: StoreResponse) -> Response:
    """Return the HTTP answer of PS3.18 Table 10.5.3-1."""
    later = {}
    if not response.failed:
        status = HTTPStatus.OK
    elif response.stored:
        status = HTTPStatus.ACCEPTED
    elif response.lacks_room_alone:
        status, later = HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": RETRY_AFTER_SECONDS}
    else:
        status = HTTPStatus.CONFLICT
    return JSONResponse(response.module(), status, later, media_type=DICOM_JSON)

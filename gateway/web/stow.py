"""STOW-RS in (PS3.18 10.5): the same reception as C-STORE's, with the same promise and the same statuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from gateway.log import log_bug, log_event
from gateway.receive.c_store import CStore, StoreRequest, audit_refused
from gateway.receive.capacity import Capacity
from gateway.receive.data_set import Header, is_uid
from gateway.receive.statuses import Refuse, Status
from gateway.store.spool import Spool
from gateway.web.access import client_of
from gateway.web.guard import problem
from gateway.web.part_10 import Part10, read_part_10
from gateway.web.site import Site

DICOM_JSON = "application/dicom+json"
RETRY_AFTER_SECONDS = "30"
_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "All instances are on disk", "content": {DICOM_JSON: {}}},
    202: {"description": "Some are; the others are in FailedSOPSequence", "content": {DICOM_JSON: {}}},
    400: {"description": "The body is no multipart/related of DICOM files"},
    409: {"description": "None is; FailedSOPSequence says why", "content": {DICOM_JSON: {}}},
    413: {"description": "More than web.max_upload_mb"},
    415: {"description": 'Not multipart/related; type="application/dicom"'},
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
    spool = Spool(site.settings.data_dir / "spool")
    reception = CStore(Capacity(site.settings.scp, spool, site.ledger), spool, site.ledger)
    desk = _Desk(reception, site.settings.web.stow_ae_title, site.settings.scp.ae_title)

    async def store(request: Request, study_instance_uid: str | None) -> Response:
        content_type = request.headers.get("content-type", "")
        boundary = _BOUNDARY.search(content_type)
        if (
            not content_type.lower().startswith("multipart/related")
            or "application/dicom" not in content_type
        ):
            return problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 'send multipart/related; type="application/dicom"'
            )
        body = await request.body()
        parts = list(parts_of(body, boundary[1].encode("latin-1"))) if boundary else []
        if not parts:
            return problem(HTTPStatus.BAD_REQUEST, "the body holds no part; is the boundary right?")
        return await run_in_threadpool(desk.store, parts, client_of(request), study_instance_uid)

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


def parts_of(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """Yield the content of each part of a multipart body (RFC 2046 5.1.1)."""
    delimiter = b"\r\n--" + boundary
    position = (b"\r\n" + body[: len(delimiter)]).find(delimiter)
    if position != 0:
        position = body.find(delimiter)
        if position < 0:
            return
        position += 2
    position += len(delimiter) - 2
    while not body.startswith(b"--", position):
        head = body.find(b"\r\n\r\n", position)
        end = body.find(delimiter, head)
        if head < 0 or end < 0:
            return
        yield body[head + 4 : end]
        position = end + len(delimiter)


class _Desk:
    """Receives the parts one by one and tells what became of each."""

    def __init__(self, reception: CStore, calling_ae_title: str, called_ae_title: str) -> None:
        self._reception = reception
        self._titles = {"calling_ae_title": calling_ae_title, "called_ae_title": called_ae_title}

    def store(self, parts: list[bytes], address: str, study_instance_uid: str | None) -> Response:
        stored: list[Header] = []
        failed: list[tuple[Header, Status]] = []
        sender = self._titles | {"peer_address": address}
        for part in parts:
            header, status = self._store(part, sender, study_instance_uid)
            if status is Status.SUCCESS:
                stored.append(header)
            else:
                failed.append((header, status))
        return _answer(stored, failed)

    def _store(self, content: bytes, sender: dict[str, str], study: str | None) -> tuple[Header, Status]:
        request = StoreRequest("", "", "", "", memoryview(content), sender)
        header = Header("", "", "", "")
        try:
            part = read_part_10(content)
            header, request = part.header, _request(part, sender)
            if not is_uid(header.sop_instance_uid):
                raise Refuse(Status.INVALID_SOP_INSTANCE, "the SOP Instance UID is no UID")
            if study is not None and header.study_instance_uid != study:
                raise Refuse(Status.SOP_CLASS_MISMATCH, "the instance is of another study than the request's")
            self._reception.receive(request)
        except Refuse as refusal:
            about = {"sop_instance_uid": header.sop_instance_uid or None, **sender}
            log_event("refused", status=str(refusal.status), reason=refusal.reason, **about)
            audit_refused(request, refusal.reason)
            return header, refusal.status
        except Exception:
            log_bug("refused", status=str(Status.INTERNAL), reason="a bug", **sender)
            audit_refused(request, "a bug in the gateway")
            return header, Status.INTERNAL
        return header, Status.SUCCESS


def _request(part: Part10, sender: dict[str, str]) -> StoreRequest:
    header = part.header
    return StoreRequest(
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        abstract_syntax=header.sop_class_uid,
        transfer_syntax_uid=part.transfer_syntax_uid,
        data=part.data,
        sender=sender,
    )


def _answer(stored: list[Header], failed: list[tuple[Header, Status]]) -> Response:
    """Build the Store Instances Response Module (PS3.18 10.5.3, PS3.3 C.14)."""
    content: dict[str, Any] = {}
    if stored:
        content["00081199"] = {"vr": "SQ", "Value": [_reference(header) for header in stored]}
    if failed:
        reasons = ((header, {"00081197": {"vr": "US", "Value": [int(status)]}}) for header, status in failed)
        content["00081198"] = {
            "vr": "SQ",
            "Value": [_reference(header) | reason for header, reason in reasons],
        }
    if not failed:
        return JSONResponse(content, HTTPStatus.OK, media_type=DICOM_JSON)
    if stored:
        return JSONResponse(content, HTTPStatus.ACCEPTED, media_type=DICOM_JSON)
    if all(status is Status.OUT_OF_RESOURCES for _, status in failed):
        later = {"Retry-After": RETRY_AFTER_SECONDS}
        return JSONResponse(content, HTTPStatus.SERVICE_UNAVAILABLE, later, media_type=DICOM_JSON)
    return JSONResponse(content, HTTPStatus.CONFLICT, media_type=DICOM_JSON)


def _reference(header: Header) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [header.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [header.sop_instance_uid]},
    }

"""STOW-RS in (PS3.18 10.5): the same reception as C-STORE's, with the same promise and the same statuses."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from gateway.dicom.statuses import Refuse, Status
from gateway.dicom.uid import is_uid
from gateway.receive.c_store import CStore, StoreRequest, audit_refused
from gateway.receive.data_set import Header
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.web.api.multipart import MOST_PARTS, NotMultipart, TooManyParts, boundary_of, parts_of
from gateway.web.api.part_10 import FileMeta, Part10, read_file_meta, read_part_10
from gateway.web.body import Body, Share
from gateway.web.security.access import client_of
from gateway.web.security.guard import problem
from gateway.web.site import Site
from gateway.web.viewer.waiting_room import WaitingRoom

DICOM_JSON = "application/dicom+json"
RETRY_AFTER_SECONDS = "30"
BODIES_AT_ONCE = 4
BODIES_WAITING = 32
MAPPED_BYTES = 64 << 20
"""Of all parts that are being stored; a larger part is stored alone."""
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
    desk = _Desk(site.reception, site.settings.web.stow_ae_title, site.settings.scp.ae_title)

    room = WaitingRoom(BODIES_AT_ONCE, BODIES_WAITING)

    async def store(request: Request, study_instance_uid: str | None) -> Response:
        if refusal := _refused_head(request, study_instance_uid):
            return refusal
        boundary = boundary_of(request.headers.get("content-type", ""))
        if boundary is None:
            told = 'send multipart/related; type="application/dicom"'
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told)
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
        told = "send the body without Content-Encoding"
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told, plain)
    return None


class _Desk:
    """Receives the parts one by one and tells what became of each."""

    def __init__(self, reception: CStore, calling_ae_title: str, called_ae_title: str) -> None:
        self._reception = reception
        self._titles = {"calling_ae_title": calling_ae_title, "called_ae_title": called_ae_title}
        self._mapped = Share(MAPPED_BYTES)

    def store(self, body: Body, boundary: str, address: str, study_instance_uid: str | None) -> Response:
        stored: list[Header] = []
        failed: list[tuple[Header, Status]] = []
        sender = self._titles | {"peer_address": address}
        for part in parts_of(body, boundary):
            with self._mapped.of(part.end - part.begin):
                content = body.view(part.begin, part.end)
                header, status = self._store(content, sender, study_instance_uid)
                del content  # unmapped before the next one comes
            if status is Status.SUCCESS:
                stored.append(header)
            else:
                failed.append((header, status))
        return _answer(stored, failed)

    def _store(self, content: memoryview, sender: dict[str, str], study: str | None) -> tuple[Header, Status]:
        header = Header("", "", "", "")
        try:
            meta = read_file_meta(content)
            header = _named(meta)
            part = read_part_10(content, meta)
            header = part.header
            if not is_uid(header.sop_instance_uid):
                raise Refuse(Status.INVALID_SOP_INSTANCE, "the SOP Instance UID is no UID")
            if study is not None and header.study_instance_uid != study:
                raise Refuse(Status.SOP_CLASS_MISMATCH, "the instance is of another study than the request's")
            self._reception.receive(_request(part, sender))
        except Refuse as refusal:
            about = {"sop_instance_uid": header.sop_instance_uid or None, **sender}
            log_event(Event.REFUSED, status=str(refusal.status), reason=refusal.reason, **about)
            audit_refused(_claimed(header, sender), refusal.reason)
            return header, refusal.status
        except Exception:
            log_bug(Event.REFUSED, status=str(Status.INTERNAL), reason="a bug", **sender)
            audit_refused(_claimed(header, sender), "a bug in the gateway")
            return header, Status.INTERNAL
        return header, Status.SUCCESS


def _named(meta: FileMeta) -> Header:
    """Who the instance is said to be, until its data set can be read."""
    named = is_uid(meta.sop_class_uid) and is_uid(meta.sop_instance_uid)
    return Header(meta.sop_class_uid, meta.sop_instance_uid, "", "") if named else Header("", "", "", "")


def _claimed(header: Header, sender: dict[str, str]) -> StoreRequest:
    """Return a request to tell the audit trail of, when there is no other."""
    return StoreRequest(header.sop_class_uid, header.sop_instance_uid, "", "", memoryview(b""), sender)


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
    """Build the Store Instances Response Module (PS3.18 I.2)."""
    content: dict[str, Any] = {}
    if stored:
        content["00081199"] = {"vr": "SQ", "Value": [_reference(header) for header in stored]}
    named = [
        _reference(header) | _reason(status) for header, status in failed if is_uid(header.sop_instance_uid)
    ]
    others = [_reason(status) for header, status in failed if not is_uid(header.sop_instance_uid)]
    if named:
        content["00081198"] = {"vr": "SQ", "Value": named}
    if others:
        content["0008119A"] = {"vr": "SQ", "Value": others}
    if not failed:
        return JSONResponse(content, HTTPStatus.OK, media_type=DICOM_JSON)
    if stored:
        return JSONResponse(content, HTTPStatus.ACCEPTED, media_type=DICOM_JSON)
    if all(status is Status.OUT_OF_RESOURCES for _, status in failed):
        later = {"Retry-After": RETRY_AFTER_SECONDS}
        return JSONResponse(content, HTTPStatus.SERVICE_UNAVAILABLE, later, media_type=DICOM_JSON)
    return JSONResponse(content, HTTPStatus.CONFLICT, media_type=DICOM_JSON)


def _reason(status: Status) -> dict[str, Any]:
    return {"00081197": {"vr": "US", "Value": [int(status)]}}


def _reference(header: Header) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [header.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [header.sop_instance_uid]},
    }

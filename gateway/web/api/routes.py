"""`/api`: the content of the pages as JSON, described by OpenAPI."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from gateway.deliver.routing import route_of
from gateway.records import Reason, State
from gateway.store.queries.document import image_document
from gateway.store.queries.images import shown_of
from gateway.store.queries.worklist import Search
from gateway.store.requeue import Requeue
from gateway.web.api.prediction import Probabilities, Problem
from gateway.web.security.guard import problem, unknown_image
from gateway.web.site import Site

Uid = Annotated[str, Path(description="SOP Instance UID")]
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such image"}}


class Result(BaseModel):
    """A result; `path` is on the gateway's machine, and only a DICOM result has a SOP Instance UID."""

    kind: str
    media_type: str
    name: str
    sop_instance_uid: str | None
    path: str
    deleted_at: datetime | None = None
    superseded_at: datetime | None = None


class Delivery(BaseModel):
    """The state of one result at one destination; superseded with its answer."""

    destination: str
    kind: str
    state: str
    attempts: int
    last_error: str | None
    state_at: datetime
    superseded_at: datetime | None


class Event(BaseModel):
    """An event of an image; further keys depend on the event."""

    model_config = ConfigDict(extra="allow")

    time: datetime
    event: str


class Brief(BaseModel):
    """An image in the list."""

    sop_instance_uid: str
    study_instance_uid: str
    calling_ae_title: str
    received_at: datetime
    state: State
    state_at: datetime
    reason: Reason | None
    detail: str | None
    label: str | None
    score: float | None
    probabilities: Probabilities | None


class Instance(Brief):
    """An image with its history."""

    model_config = ConfigDict(extra="allow")

    results: list[Result]
    deliveries: list[Delivery]
    events: list[Event]


class RefusalCount(BaseModel):
    """An image that was refused, or an association that was rejected or aborted; equal ones are counted."""

    event: str
    status: str
    reason: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    sop_instance_uid: str
    times: int
    first_at: datetime
    last_at: datetime


class Begun(BaseModel):
    """The numbers of requeued images and deliveries."""

    images: int
    deliveries: int


def routes(site: Site) -> APIRouter:
    """Return the routes below `/api`."""
    router = APIRouter(prefix="/api", tags=["images"])

    @router.get("/instances", summary="List images, newest first", response_model=list[Instance])
    def list_instances(
        request: Request,
        response: Response,
        uid: Annotated[
            str, Query(max_length=64, pattern=r"^[0-9.]*$", description="Beginning of a UID")
        ] = "",
        calling_ae_title: Annotated[str, Query(max_length=16)] = "",
        state: State | None = None,
        reason: Reason | None = None,
        label: Annotated[str, Query(max_length=64)] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[int | None, Query(ge=0, le=2**53, description="From the Link header")] = None,
    ) -> Any:
        search = Search(uid, calling_ae_title, state or "", reason or "", label)
        page = site.worklist.page(search, before=before, limit=limit)
        if page.older is not None:
            following = request.url.include_query_params(before=page.older)
            response.headers["Link"] = f'<{following}>; rel="next"'
        return [image_document(each) for each in site.images.complete([row.id for row in page.rows])]

    @router.get(
        "/refusals", summary="List what was refused, the last first", response_model=list[RefusalCount]
    )
    def list_refusals(
        uid: Annotated[
            str, Query(max_length=64, pattern=r"^[0-9.]*$", description="Only this SOP Instance UID")
        ] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Any:
        found = site.refusals.of(uid)[:limit] if uid else site.refusals.newest(limit)
        return [asdict(each) for each in found]

    @router.get(
        "/instances/{sop_instance_uid}",
        summary="Tell everything about one image",
        response_model=Instance,
        responses=UNKNOWN,
    )
    def show_instance(sop_instance_uid: Uid) -> Any:
        versions = site.images.versions(sop_instance_uid)
        shown = shown_of(versions)
        if shown is None:
            return unknown_image()
        return image_document(shown) | {"versions": len(versions)}

    @router.post(
        "/instances/{sop_instance_uid}/retry",
        summary="Begin anew what has failed of one image",
        response_model=Begun,
        responses=UNKNOWN | {409: {"model": Problem, "description": "Nothing has failed"}},
    )
    def retry_instance(sop_instance_uid: Uid) -> Any:
        begun = Requeue(site.ledger).retry(sop_instance_uid, route_of(site.settings))
        if begun.images or begun.deliveries:
            return {"images": begun.images, "deliveries": begun.deliveries}
        if begun.unrouted:
            detail = f"no route takes images of {begun.unrouted[0]}; state one under routes"
            return problem(HTTPStatus.CONFLICT, detail)
        if not site.images.versions(sop_instance_uid):
            return unknown_image()
        return problem(HTTPStatus.CONFLICT, "nothing to retry: it has not failed, or its files are deleted")

    return router

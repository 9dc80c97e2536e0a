"""The pictures of a report: thumbnail, all values, activation map and its scale."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from numpy.typing import NDArray
from PIL import Image

from gateway.results.activation_overlay import FIXED_RANGE, colour_scale, coloured_map
from gateway.store.pictures import Kind
from gateway.store.queries.images import shown_of
from gateway.store.queries.views import AnswerView, ImageView
from gateway.web.security.audit import record_viewed
from gateway.web.security.guard import problem
from gateway.web.site import Site
from gateway.web.viewer.placeholder import placeholder, why_none

MAP_SIDE = 448
SCALE = (12, 320)  # rows, columns
KEEP = {"Cache-Control": "private, max-age=3600"}  # the address names the version; signing out clears it
FORGET = {"Cache-Control": "no-store"}
_MEDIA_TYPES = {Kind.PREVIEW: "image/jpeg", Kind.PIXELS: "application/octet-stream"}
Scale = Literal["own", "fixed"]  # the map's own range, or one range for all maps
Version = Annotated[int | None, Query(alias="v", ge=0, le=2**53)]  # which data set under this UID


def routes(site: Site) -> APIRouter:
    """Return the pictures' routes."""
    router = APIRouter(prefix="/instances/{sop_instance_uid}", include_in_schema=False)

    @router.get("/thumbnail")
    async def thumbnail(sop_instance_uid: str, v: Version = None) -> Response:
        source = await run_in_threadpool(site.images.source_of, sop_instance_uid, v)
        if source is None:
            return _missing()
        path = None if source.deleted_at else await site.display.picture(source.path, Kind.THUMBNAIL)
        if path is None:
            shown = await run_in_threadpool(_shown, site, sop_instance_uid, v)
            return _drawn(site, shown) if shown else _missing()
        return FileResponse(path, media_type="image/jpeg", headers=KEEP if v is not None else FORGET)

    @router.get("/preview")
    async def preview(request: Request, sop_instance_uid: str, v: Version = None) -> Response:
        return await _viewed(site, request, sop_instance_uid, v, Kind.PREVIEW)

    @router.get("/pixels")
    async def pixels(request: Request, sop_instance_uid: str, v: Version = None) -> Response:
        return await _viewed(site, request, sop_instance_uid, v, Kind.PIXELS)

    @router.get("/activation")
    def activation(sop_instance_uid: str, v: Version = None, scale: Scale = "own") -> Response:
        answer = _answer(_shown(site, sop_instance_uid, v))
        if answer is None:
            return _missing()
        outlines = (answer.region or {}).get("outlines", ()) if site.settings.results.lung_outline else ()
        limit = FIXED_RANGE if scale == "fixed" else None
        return _png(coloured_map(np.asarray(answer.activation, np.float32), MAP_SIDE, outlines, limit))

    @router.get("/scale")
    def scale(sop_instance_uid: str) -> Response:  # noqa: ARG001 - the colours are the same for all
        return _png(colour_scale(*SCALE))

    return router


async def _viewed(site: Site, request: Request, uid: str, number: int | None, kind: Kind) -> Response:
    """Return a picture in which the patient is recognised; the look is audited."""
    shown = await run_in_threadpool(_shown, site, uid, number)
    if shown is None or shown.source_deleted_at:
        return _missing()
    path = await site.display.picture(shown.source, kind)
    if path is None:
        return _missing()
    await run_in_threadpool(record_viewed, request, shown)
    return FileResponse(path, media_type=_MEDIA_TYPES[kind], headers=FORGET)


def _shown(site: Site, uid: str, number: int | None) -> ImageView | None:
    versions = site.images.versions(uid)
    if number is not None:
        return next((each for each in versions if each.id == number), None)
    return shown_of(versions)


def _answer(shown: ImageView | None) -> AnswerView | None:
    """Return the answer that has an activation map."""
    answer = shown.answer if shown else None
    return answer if answer and answer.activation else None


def _drawn(site: Site, image: ImageView) -> Response:
    """Return a drawing that says why an image has no picture."""
    why = why_none(image, site.display.rejected(image.source))
    return Response(str(placeholder(why)), media_type="image/svg+xml", headers=FORGET)


def _png(pixels: NDArray[np.uint8]) -> Response:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG")
        return Response(file.getvalue(), media_type="image/png")


def _missing() -> Response:
    return problem(HTTPStatus.NOT_FOUND, "there is no picture of this image")

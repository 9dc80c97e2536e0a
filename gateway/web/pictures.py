"""The pictures of a report: thumbnail, all grey values, activation map and its scale."""

from __future__ import annotations

import io
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse
from numpy.typing import NDArray
from PIL import Image

from gateway.results.activation_overlay import colour_scale, coloured_map
from gateway.web.guard import problem
from gateway.web.rendering import Kind
from gateway.web.site import Site
from gateway.web.versions import standing

MAP_SIDE = 448
SCALE = (12, 320)  # rows, columns
KEEP = {"Cache-Control": "private, max-age=86400"}
Uid = Annotated[str, Path(max_length=64)]


def routes(site: Site) -> APIRouter:
    """Return the pictures' routes."""
    router = APIRouter(prefix="/instances/{sop_instance_uid}", include_in_schema=False)

    @router.get("/thumbnail")
    def thumbnail(sop_instance_uid: Uid) -> Response:
        return _file(site, sop_instance_uid, Kind.THUMBNAIL, "image/jpeg")

    @router.get("/pixels")
    def pixels(sop_instance_uid: Uid) -> Response:
        return _file(site, sop_instance_uid, Kind.PIXELS, "application/octet-stream")

    @router.get("/activation")
    def activation(sop_instance_uid: Uid) -> Response:
        values = _activation(site, sop_instance_uid)
        return _png(coloured_map(values, MAP_SIDE)) if values is not None else _missing()

    @router.get("/scale")
    def scale(sop_instance_uid: Uid) -> Response:  # noqa: ARG001 - the colours are the same for all
        return _png(colour_scale(*SCALE))

    return router


def _file(site: Site, uid: str, kind: Kind, media_type: str) -> Response:
    source = site.inquiry.source_of(uid)
    path = site.display.picture(FilePath(source), kind) if source else None
    return FileResponse(path, media_type=media_type, headers=KEEP) if path else _missing()


def _activation(site: Site, uid: str) -> NDArray[np.float32] | None:
    versions = site.inquiry.instance(uid)
    answer: dict[str, Any] = (standing(versions)["answer"] if versions else None) or {}
    values = answer.get("activation")
    return np.asarray(values, np.float32) if values else None


def _png(pixels: NDArray[np.uint8]) -> Response:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG")
        return Response(
            file.getvalue(), media_type="image/png", headers={"Cache-Control": "private, max-age=60"}
        )


def _missing() -> Response:
    return problem(HTTPStatus.NOT_FOUND, "there is no picture of this image")

"""Downloads of an image: the received file, its results, and its record as JSON. Downloads are audited."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path as FilePath

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from gateway.records import DICOM
from gateway.store.queries.document import image_document
from gateway.store.queries.views import ImageView
from gateway.web.security.audit import record_exported
from gateway.web.security.guard import problem
from gateway.web.site import Site


def routes(site: Site) -> APIRouter:
    """Return the routes of the downloads."""
    router = APIRouter(prefix="/instances/{sop_instance_uid}/download", include_in_schema=False)

    @router.get("/json")
    def as_json(request: Request, sop_instance_uid: str) -> Response:
        shown = site.images.shown(sop_instance_uid)
        if shown is None:
            return _missing()
        record_exported(request, shown, "json")
        content = json.dumps(image_document(shown), indent=2, ensure_ascii=False, default=str)
        return Response(content, media_type="application/json", headers=_named(f"{sop_instance_uid}.json"))

    @router.get("/{what}")
    def file(request: Request, sop_instance_uid: str, what: str) -> Response:
        shown = site.images.shown(sop_instance_uid)
        found = _file(shown, what) if shown else None
        if shown is None or found is None or not found[0].is_file():
            return _missing()
        record_exported(request, shown, what)
        path, media_type = found
        name = f"{sop_instance_uid}.{what}{path.suffix}" if what != "source" else f"{sop_instance_uid}.dcm"
        return FileResponse(path, media_type=media_type, headers=_named(name))

    return router


def _file(shown: ImageView, what: str) -> tuple[FilePath, str] | None:
    """Return the file of the image or of the result of a kind, and its media type."""
    if what == "source":
        return shown.source, DICOM
    result = shown.standing(what)
    return (result.path, result.media_type) if result else None


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _missing() -> Response:
    return problem(HTTPStatus.NOT_FOUND, "there is no such file, or it has been deleted")

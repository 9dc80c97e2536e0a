"""Downloads of an image: the received file, its results, and its record as JSON. Downloads are audited."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path as FilePath

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from gateway.errors import Missing
from gateway.records import DICOM
from gateway.store.objects import Objects
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
        found = _file(site, shown, what) if shown else None
        if shown is None or found is None:
            return _missing()
        store, path, media_type = found
        try:
            store.fetch(path)
        except Missing:
            return _missing()
        record_exported(request, shown, what)
        name = f"{sop_instance_uid}.{what}{path.suffix}" if what != "source" else f"{sop_instance_uid}.dcm"
        return FileResponse(path, media_type=media_type, headers=_named(name))

    return router


def _file(site: Site, shown: ImageView, what: str) -> tuple[Objects, FilePath, str] | None:
    """Return store, file and media type of the image, or of its result of a kind, unless it was deleted."""
    if what == "source":
        return None if shown.source_deleted_at else (site.stores.received, shown.source, DICOM)
    result = shown.standing(what)
    if result is None or result.deleted_at:
        return None
    return site.stores.results, result.path, result.media_type


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _missing() -> Response:
    return problem(HTTPStatus.NOT_FOUND, "there is no such file, or it has been deleted")

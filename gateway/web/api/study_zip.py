"""`/studies/{uid}/zip`: the received images of a study that are still kept, its results, and a manifest.

The manifest lists every file with its hash, and whatever is not in the archive with the reason. Entries are
named by UIDs, as their senders and the gateway made them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway import __version__
from gateway.errors import Missing, Retry
from gateway.results.answer import RESEARCH_BANNER
from gateway.store.clock import now
from gateway.store.queries.document import row_document
from gateway.store.queries.studies import SOURCE, StudyFile
from gateway.telemetry.audit.message import Subject
from gateway.telemetry.audit.subject import subject_of
from gateway.web.api.archive import Archive
from gateway.web.security.audit import record_study_exported
from gateway.web.security.guard import problem
from gateway.web.site import Site

MANIFEST = "manifest.json"
MOST_IMAGES = 10_000
"""Images of a study that the manifest describes."""


def routes(site: Site) -> APIRouter:
    """Return the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/studies/{study_instance_uid}/zip")
    def as_zip(request: Request, study_instance_uid: str) -> Response:
        files = site.studies.files(study_instance_uid)
        if not files:
            return problem(HTTPStatus.NOT_FOUND, "no image of this study was received")
        site.stores.check()
        record_study_exported(request, study_instance_uid, _subject(site, study_instance_uid, files))
        named = {"Content-Disposition": f'attachment; filename="{study_instance_uid}.zip"'}
        return StreamingResponse(
            _sent(site, study_instance_uid, files), media_type="application/zip", headers=named
        )

    return router


def _sent(site: Site, study: str, files: Sequence[StudyFile]) -> Iterator[bytes]:
    archive = Archive(datetime.now())  # noqa: DTZ005 - the archive's times are local, and have no zone
    missing: list[tuple[StudyFile, str]] = []
    for file in files:
        problem = _problem(site, file)
        if not problem:
            try:
                yield from archive.add(_place(study, file), file.path)
            except FileNotFoundError:
                problem = "deleted meanwhile"
        if problem:
            missing.append((file, problem))
    yield archive.add_text(MANIFEST, _manifest(site, study, files, archive, missing))
    yield archive.end()


def _place(study: str, file: StudyFile) -> str:
    return f"{study}/{'images' if file.kind == SOURCE else 'results'}/{file.name}"


def _problem(site: Site, file: StudyFile) -> str:
    """Return why a file is not to be had; empty where it is readable at its path."""
    if file.deleted_at:
        return f"deleted by retention on {file.deleted_at.astimezone():%Y-%m-%d}"
    store = site.stores.received if file.kind == SOURCE else site.stores.results
    try:
        store.fetch(file.path)
    except Missing:
        return "missing in the store, although its row says that it is kept"
    except Retry as away:
        return f"the store is away: {away}"
    return ""


def _manifest(
    site: Site,
    study: str,
    files: Sequence[StudyFile],
    archive: Archive,
    missing: Sequence[tuple[StudyFile, str]],
) -> str:
    images = site.images.newest(limit=MOST_IMAGES, study_instance_uid=study)
    content = {
        "note": RESEARCH_BANNER,
        "study_instance_uid": study,
        "written_at": now(),
        "software_version": __version__,
        "images": [row_document(image) for image in reversed(images)],
        "files": [
            _described(file) | {"name": place} | _content(file, archive.entries[place]._asdict())
            for file in files
            if (place := _place(study, file)) in archive.entries
        ],
        "missing": [_described(file) | {"reason": reason} for file, reason in missing],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, default=str)


def _described(file: StudyFile) -> dict[str, Any]:
    return {
        "kind": file.kind,
        "media_type": file.media_type,
        "sop_class_uid": file.sop_class_uid,
        "sop_instance_uid": file.sop_instance_uid,
        "source_sop_instance_uid": file.source_sop_instance_uid,
        "superseded_at": file.superseded_at,
    }


def _content(file: StudyFile, entry: dict[str, Any]) -> dict[str, Any]:
    """Return size and hash of an entry; a result that is not the one that was written is told so."""
    changed = file.kind != SOURCE and entry["sha256"] != file.sha256
    return entry | ({"problem": "is not the file that was written"} if changed else {})


def _subject(site: Site, study: str, files: Sequence[StudyFile]) -> Subject:
    """Return the study with all instances that leave; the patient as in its first readable image."""
    kept = [file for file in files if not file.deleted_at and file.sop_instance_uid]
    by_class: dict[str, list[str]] = {}
    for file in kept:
        by_class.setdefault(file.sop_class_uid or "", []).append(file.sop_instance_uid or "")
    classes = [(sop_class, tuple(uids)) for sop_class, uids in by_class.items()] or [("", ())]
    patient = _patient(site, kept)
    about = patient.patient_id, patient.patient_name, patient.accession_number
    return Subject(study, *classes[0], *about, tuple(classes[1:]))


def _patient(site: Site, kept: Sequence[StudyFile]) -> Subject:
    for file in kept:
        if not _problem(site, file):
            return subject_of(file.path)
    return Subject("", "", ())

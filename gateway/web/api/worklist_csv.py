"""`/worklist.csv`: what the worklist shows by the same filters, for spreadsheets (RFC 4180, UTF-8).

The rows are read and sent a page at a time. Users who may see patients have columns that name the patient;
whom they saw is audited, as on the page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields as fields_of
from datetime import datetime
from http import HTTPStatus
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway.records import Patient
from gateway.store.export import harmless
from gateway.store.patients import MOST_FOUND
from gateway.store.queries.views import WorklistRow
from gateway.store.queries.worklist import Page, View
from gateway.web.pages.listing import pages_of
from gateway.web.pages.worklist import Fields, in_plain, search_of
from gateway.web.security.audit import record_list_exported
from gateway.web.security.guard import problem
from gateway.web.site import Site

COLUMNS = (
    "received_at", "sop_instance_uid", "study_instance_uid", "sop_class_uid", "study_description", "scanner",
    "calling_ae_title", "state", "state_at", "reason", "detail", "answer", "score", "threshold", "abstained",
    "deliveries",
)  # fmt: skip
PATIENT_COLUMNS = tuple(each.name for each in fields_of(Patient))
_TYPE = "text/csv; charset=utf-8; header=present"
_NAMED = {"Content-Disposition": 'attachment; filename="worklist.csv"'}


def routes(site: Site) -> APIRouter:
    """Return the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/worklist.csv")
    def as_csv(request: Request, fields: Fields) -> Response:
        search = search_of(site, request, fields)
        view = View(with_patients=site.access.sees_patients(request.state.reader))
        pages = pages_of(site, search, view=view)
        first = next(pages)  # a database that is away is told by a status
        if first.cut:
            told = f"more than {MOST_FOUND} images match the patient: narrow the search"
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, told)
        typed = in_plain(site, request, fields)
        sent = _sent(site, request, typed, chain([first], pages), with_patients=view.with_patients)
        return StreamingResponse(sent, media_type=_TYPE, headers=_NAMED)

    return router


def _sent(
    site: Site, request: Request, fields: dict[str, str], pages: Iterable[Page], *, with_patients: bool
) -> Iterator[bytes]:
    """Yield the file; what has left is audited also where the client went away in the middle."""
    count, zone, names = 0, site.settings.web.zone, PATIENT_COLUMNS if with_patients else ()
    try:
        yield _lines([COLUMNS + names])
        for page in pages:
            count += len(page.rows)
            if with_patients:
                site.looks.record_shown(request, [row.patient for row in page.rows if row.patient])
            yield _lines([[*_cells(row, zone), *_patient_cells(row, names)] for row in page.rows])
    finally:
        record_list_exported(request, count, fields)


def _patient_cells(row: WorklistRow, names: Sequence[str]) -> list[Any]:
    return [getattr(row.patient, name, None) for name in names]  # empty where the patient is not known


def _cells(row: WorklistRow, zone: ZoneInfo | None) -> list[Any]:
    return [
        _time(row.received_at, zone),
        row.sop_instance_uid,
        row.study_instance_uid,
        row.sop_class_uid,
        row.study_description,
        row.scanner,
        row.calling_ae_title,
        row.state,
        _time(row.state_at, zone),
        row.reason,
        row.detail,
        row.label,
        _fraction(row.score),
        _fraction(row.threshold),
        row.abstained,
        "; ".join(f"{each.destination}: {each.state}" for each in row.deliveries),
    ]


def _time(time: datetime, zone: ZoneInfo | None) -> str:
    """Return the time with its offset, in the zone of the pages."""
    return time.astimezone(zone).isoformat(timespec="milliseconds")


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    with io.StringIO(newline="") as text:
        csv.writer(text).writerows([harmless(value) for value in row] for row in rows)
        return text.getvalue().encode()

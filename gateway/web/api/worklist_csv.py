"""`/worklist.csv`: what the worklist shows by the same filters, for spreadsheets (RFC 4180, UTF-8).

The rows are read and sent a page at a time. No column names a patient.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway.store.export import harmless
from gateway.store.queries.views import WorklistRow
from gateway.web.pages.listing import pages_of
from gateway.web.pages.worklist import Fields, search_of
from gateway.web.security.audit import record_list_exported
from gateway.web.site import Site

COLUMNS = (
    "received_at", "sop_instance_uid", "study_instance_uid", "sop_class_uid", "study_description", "scanner",
    "calling_ae_title", "state", "state_at", "reason", "detail", "answer", "score", "threshold", "abstained",
    "deliveries",
)  # fmt: skip
_TYPE = "text/csv; charset=utf-8; header=present"
_NAMED = {"Content-Disposition": 'attachment; filename="worklist.csv"'}


def routes(site: Site) -> APIRouter:
    """Return the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/worklist.csv")
    def as_csv(request: Request, fields: Fields) -> Response:
        pages = pages_of(site, search_of(site, request, fields))
        first = next(pages, ())  # a database that is away is told by a status
        return StreamingResponse(
            _sent(request, fields, first, pages, site.settings.web.zone), media_type=_TYPE, headers=_NAMED
        )

    return router


def _sent(
    request: Request,
    fields: dict[str, str],
    first: Sequence[WorklistRow],
    others: Iterator[Sequence[WorklistRow]],
    zone: ZoneInfo | None,
) -> Iterator[bytes]:
    """Yield the file; what has left is audited also where the client went away in the middle."""
    count = 0
    try:
        yield _lines([COLUMNS])
        page: Sequence[WorklistRow] | None = first
        while page:
            count += len(page)
            yield _lines([_cells(row, zone) for row in page])
            page = next(others, None)
    finally:
        record_list_exported(request, count, fields)


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

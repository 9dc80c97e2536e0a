"""`/`: the worklist, which renews itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from gateway.records import Reason, State
from gateway.store.queries.filters import OF_PATIENTS, Order, Search
from gateway.store.queries.views import WorklistRow
from gateway.store.queries.worklist import View
from gateway.web.pages.templates import page
from gateway.web.pages.words import REASONS
from gateway.web.site import Site

ROWS = 50
LARGEST_KEY = 2**53
EACH_IMAGE = "image"
NO_PATIENTS = (
    "patients are shown to users who sign in with a password of their own, where web.show_patient is set"
)
_RISING_FIRST = {Order.PATIENT, Order.SENDER, Order.STATE}
Text = Annotated[str, Query(max_length=64)]


def search_fields(
    uid: Text = "",
    ae: Text = "",
    state: Text = "",
    reason: Text = "",
    label: Text = "",
    since: Text = "",
    until: Text = "",
    patient: Text = "",
    own: Text = "",
    rows: Text = "",
    sort: Text = "",
) -> dict[str, str]:
    """Return what the search form holds; empty fields left out.

    `own=hide` leaves out the gateway's own results, `rows=image` shows every image in a row of its own.
    `sort` is an `Order`, falling with a `-` before it.
    """
    fields = {"uid": uid, "ae": ae, "state": state, "reason": reason, "label": label, "since": since}
    fields |= {"until": until, "patient": patient, "own": own, "rows": rows, "sort": sort}
    return {name: value.strip() for name, value in fields.items() if value.strip()}


Fields = Annotated[dict[str, str], Depends(search_fields)]
Key = Annotated[str, Query(max_length=20, pattern=r"^\d*$")]


def routes(site: Site) -> APIRouter:
    """Return `/` and the part of it that is renewed."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    def worklist(request: Request, fields: Fields, before: Key = "", after: Key = "") -> Response:
        search = search_of(site, request, fields)
        shown = _list(site, request, search, fields, before, after)
        return page(request, site, "worklist.html", **shown, **_choices(site))

    @router.get("/worklist", response_class=HTMLResponse)
    def rows(
        request: Request, fields: Fields, before: Key = "", after: Key = "", version: Key = ""
    ) -> Response:
        """Answer with nothing while nothing has happened."""
        search = search_of(site, request, fields, renewed=True)
        if version and int(version) == site.worklist.version():
            return Response(status_code=HTTPStatus.NO_CONTENT)
        shown = _list(site, request, search, fields, before, after)
        return page(request, site, "worklist_rows.html", **shown)

    return router


def search_of(site: Site, request: Request, fields: dict[str, str], *, renewed: bool = False) -> Search:
    """Return what the fields of the form ask for, and audit a search for a patient.

    Raises
    ------
    HTTPException
        403, if the fields are about patients and the reader may not see who they are.
    """
    if ("patient" in fields or _view(fields).order in OF_PATIENTS) and not _sees_patients(site, request):
        raise HTTPException(HTTPStatus.FORBIDDEN, NO_PATIENTS)
    if "patient" in fields:
        question = "; ".join(f"{name}: {value}" for name, value in fields.items())
        site.looks.record_searched(request, question, renewed=renewed)
    zone = site.settings.web.zone
    return Search(
        uid=fields.get("uid", ""),
        calling_ae_title=fields.get("ae", ""),
        state=_one_of(State, fields.get("state")),
        reason=_one_of(Reason, fields.get("reason")),
        label=fields.get("label", ""),
        since=_day(fields.get("since", ""), zone),
        until=_day(fields.get("until", ""), zone, later=1),
        patient=fields.get("patient", ""),
        without_own=fields.get("own") == "hide",
    )


def _list(
    site: Site, request: Request, search: Search, fields: dict[str, str], before: str, after: str
) -> dict[str, Any]:
    version, view = site.worklist.version(), _view(fields)
    view = replace(view, with_patients=_sees_patients(site, request))
    found = site.worklist.page(search, before=_key(before), after=_key(after), limit=ROWS, view=view)
    _record_looks(site, request, found.rows)
    here = fields | {name: key for name, key in (("before", before), ("after", after)) if key}
    return {
        "rows": found.rows,
        "cut": found.cut,
        "fields": fields,
        "is_search": bool(fields.keys() - {"rows", "own", "sort"}),
        "order": view,
        "sorted": {str(order): _link(fields, order, view) for order in Order},
        "renew": urlencode(here | {"version": version}),
        "first": urlencode(fields),
        "older": urlencode(fields | {"before": found.older}) if found.older is not None else None,
        "newer": urlencode(fields | {"after": found.newer}) if found.newer is not None else None,
        "states": site.remembered.get("states", 5.0, site.images.states),
    }


def _sees_patients(site: Site, request: Request) -> bool:
    return site.access.sees_patients(request.state.reader)


def _record_looks(site: Site, request: Request, rows: tuple[WorklistRow, ...]) -> None:
    shown = (each.patient for row in rows for each in (row, *row.folded))
    site.looks.record_shown(request, filter(None, shown))


def _choices(site: Site) -> dict[str, Any]:
    return {
        "titles": site.remembered.get("titles", 60.0, site.worklist.calling_ae_titles),
        "all_states": list(State),
        "all_reasons": REASONS,
        "all_labels": site.remembered.get("labels", 60.0, site.worklist.labels),
    }


def _view(fields: dict[str, str]) -> View:
    name = fields.get("sort", "")
    stated = name.removeprefix("-")
    by_study = fields.get("rows") != EACH_IMAGE
    if stated not in set(Order):
        return View(by_study=by_study)
    return View(Order(stated), name.startswith("-"), by_study)


def _link(fields: dict[str, str], order: Order, view: View) -> str:
    """Return the query of a column's head: first as the column is most often wanted, then the other way."""
    falls = not view.descending if order is view.order else order not in _RISING_FIRST
    return urlencode(fields | {"sort": f"{'-' if falls else ''}{order}"})


def _one_of(codes: type[State] | type[Reason], text: str | None) -> str:
    return text if text in set(codes) else ""


def _day(text: str, zone: ZoneInfo | None, *, later: int = 0) -> datetime | None:
    try:
        day = datetime.combine(date.fromisoformat(text) + timedelta(days=later), time())
        return day.replace(tzinfo=zone) if zone else day.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _key(text: str) -> int | None:
    return min(int(text), LARGEST_KEY) if text else None

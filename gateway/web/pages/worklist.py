"""`/`: the worklist, which renews itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from inspect import signature
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

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
NOT_OPENED = (
    "this address holds a search for a patient that does not open: search again. It opens for the user who "
    "searched, and no address names a patient as such"
)
_RISING_FIRST = {Order.PATIENT, Order.SENDER, Order.STATE}
MOST_CHARACTERS = 64
Text = Annotated[str, Query(max_length=MOST_CHARACTERS)]
SealedText = Annotated[str, Query(max_length=512)]


def search_fields(
    uid: Text = "",
    ae: Text = "",
    state: Text = "",
    reason: Text = "",
    label: Text = "",
    since: Text = "",
    until: Text = "",
    patient: SealedText = "",
    own: Text = "",
    rows: Text = "",
    sort: Text = "",
) -> dict[str, str]:
    """Return the search that an address holds; empty fields left out.

    `patient` is sealed (`Sealed`); `own=hide` leaves out the gateway's own results, `rows=image` shows
    every image in a row of its own.
    `sort` is an `Order`, falling with a `-` before it.
    """
    fields = {"uid": uid, "ae": ae, "state": state, "reason": reason, "label": label, "since": since}
    fields |= {"until": until, "patient": patient, "own": own, "rows": rows, "sort": sort}
    return {name: value.strip() for name, value in fields.items() if value.strip()}


_NAMES = tuple(signature(search_fields).parameters)
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

    @router.post("/search")
    async def search(
        request: Request, patient: Annotated[str, Form(max_length=MOST_CHARACTERS)] = ""
    ) -> Response:
        """Lead to the worklist's address of a search, which names no patient."""
        form = await request.form()
        fields = {name: str(form[name]).strip() for name in _NAMES if name in form}
        if words := patient.strip():
            _check_sees_patients(site, request)
            fields["patient"] = site.access.searches.seal(request.state.reader, words)
        query = urlencode({name: value for name, value in fields.items() if value})
        return RedirectResponse(f"/?{query}" if query else "/", HTTPStatus.SEE_OTHER)

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
        403, if the fields are about patients and the reader may not see who they are; 422, if `patient` was
        not sealed for this reader.
    """
    fields = in_plain(site, request, fields)
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


def in_plain(site: Site, request: Request, fields: dict[str, str]) -> dict[str, str]:
    """Return the fields as a person has typed them, for the page and the audit trail; see `search_of`."""
    if "patient" in fields or _view(fields).order in OF_PATIENTS:
        _check_sees_patients(site, request)
    if "patient" not in fields:
        return fields
    words = site.access.searches.open(request.state.reader, fields["patient"])
    if words is None:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, NOT_OPENED)
    return fields | {"patient": words}


def _check_sees_patients(site: Site, request: Request) -> None:
    if not _sees_patients(site, request):
        raise HTTPException(HTTPStatus.FORBIDDEN, NO_PATIENTS)


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
        "typed": in_plain(site, request, fields),
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

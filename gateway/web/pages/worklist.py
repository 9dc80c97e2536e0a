"""`/`: the worklist, which renews itself."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from gateway.records import Reason, State
from gateway.store.queries.worklist import Search
from gateway.web.pages.templates import page
from gateway.web.pages.words import REASONS
from gateway.web.site import Site

ROWS = 50
LARGEST_KEY = 2**53
Text = Annotated[str, Query(max_length=64)]


def search_fields(
    uid: Text = "",
    ae: Text = "",
    state: Text = "",
    reason: Text = "",
    label: Text = "",
    since: Text = "",
    until: Text = "",
) -> dict[str, str]:
    """Return what the search form holds; empty fields left out."""
    fields = {"uid": uid, "ae": ae, "state": state, "reason": reason, "label": label}
    fields |= {"since": since, "until": until}
    return {name: value.strip() for name, value in fields.items() if value.strip()}


Fields = Annotated[dict[str, str], Depends(search_fields)]
Key = Annotated[str, Query(max_length=20, pattern=r"^\d*$")]


def routes(site: Site) -> APIRouter:
    """Return `/` and the part of it that is renewed."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    def worklist(request: Request, fields: Fields, before: Key = "", after: Key = "") -> Response:
        return page(request, site, "worklist.html", **_list(site, fields, before, after), **_choices(site))

    @router.get("/worklist", response_class=HTMLResponse)
    def rows(
        request: Request, fields: Fields, before: Key = "", after: Key = "", version: Key = ""
    ) -> Response:
        """Answer with nothing while nothing has happened."""
        if version and int(version) == site.worklist.version():
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return page(request, site, "worklist_rows.html", **_list(site, fields, before, after))

    return router


def _list(site: Site, fields: dict[str, str], before: str, after: str) -> dict[str, Any]:
    version = site.worklist.version()
    found = site.worklist.page(search_of(fields), before=_key(before), after=_key(after), limit=ROWS)
    here = fields | {name: key for name, key in (("before", before), ("after", after)) if key}
    return {
        "rows": found.rows,
        "fields": fields,
        "renew": urlencode(here | {"version": version}),
        "older": urlencode(fields | {"before": found.older}) if found.older is not None else None,
        "newer": urlencode(fields | {"after": found.newer}) if found.newer is not None else None,
        "states": site.remembered.get("states", 5.0, site.images.states),
    }


def _choices(site: Site) -> dict[str, Any]:
    return {
        "titles": site.remembered.get("titles", 60.0, site.worklist.calling_ae_titles),
        "all_states": list(State),
        "all_reasons": REASONS,
        "all_labels": site.remembered.get("labels", 60.0, site.worklist.labels),
    }


def search_of(fields: dict[str, str]) -> Search:
    """Return what the fields of the form ask for."""
    return Search(
        uid=fields.get("uid", ""),
        calling_ae_title=fields.get("ae", ""),
        state=_one_of(State, fields.get("state")),
        reason=_one_of(Reason, fields.get("reason")),
        label=fields.get("label", ""),
        since=_day(fields.get("since", "")),
        until=_day(fields.get("until", ""), later=1),
    )


def _one_of(codes: type[State] | type[Reason], text: str | None) -> str:
    return text if text in set(codes) else ""


def _day(text: str, *, later: int = 0) -> datetime | None:
    try:
        day = date.fromisoformat(text) + timedelta(days=later)
        return datetime.combine(day, time()).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _key(text: str) -> int | None:
    return min(int(text), LARGEST_KEY) if text else None

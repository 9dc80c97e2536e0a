"""`/pulls`: studies that are fetched from sources, and what is missing of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.store.entries import PullState
from gateway.store.place import Place
from gateway.store.source_rows import SourceRows
from gateway.web.pages.by_time import Behind, pages
from gateway.web.pages.templates import page
from gateway.web.pages.words import PULLS
from gateway.web.security.audit import record_asked_again
from gateway.web.security.guard import problem
from gateway.web.site import Site

ROWS = 100
MISSING_SHOWN = 20

Name = Annotated[str, Query(max_length=64)]


def routes(site: Site) -> APIRouter:
    """Return the page, and the button that asks for a study again."""
    router = APIRouter(include_in_schema=False)

    @router.get("/pulls", response_class=HTMLResponse)
    def show(request: Request, source: Name = "", state: Name = "", behind: Behind = "") -> Response:
        chosen = PullState(state) if state in list(PullState) else None
        names = [each.name for each in site.settings.sources]
        schedules = {each.name: each.schedule for each in site.settings.sources if each.schedule}
        rows = SourceRows(site.ledger).all()
        views = site.pulls.newest(ROWS + 1, source=source or None, state=chosen, behind=Place.of(behind))
        return page(
            request,
            site,
            "pulls.html",
            views=views[:ROWS],
            pages=pages(
                "/pulls",
                {"source": source, "state": chosen or ""},
                behind,
                [Place(each.pull.state_at, each.pull.id) for each in views],
                ROWS,
            ),
            counts=site.pulls.counts(),
            away=[row for row in rows if row.failures],
            searched={row.name: max(row.searched.values()) for row in rows if row.searched},
            schedules=schedules,
            states=PULLS,
            source=source,
            state=chosen or "",
            sources=sorted({*names, *site.pulls.counts()}),
            configured=names,
            most_missing=MISSING_SHOWN,
        )

    @router.post("/pulls/again")
    def again(
        request: Request,
        source: Annotated[str, Form(max_length=64)],
        study_instance_uid: Annotated[str, Form(max_length=64)],
        shown_source: Annotated[str, Form(max_length=64)] = "",
        shown_state: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        if not site.pulls.of_study(study_instance_uid):
            return problem(HTTPStatus.NOT_FOUND, "no source was found to have this study")
        if site.pulls.ask_again(source, study_instance_uid):
            record_asked_again(request, source, study_instance_uid)
        here = {"source": shown_source, "state": shown_state}
        query = urlencode({name: value for name, value in here.items() if value})
        return RedirectResponse(f"/pulls{f'?{query}' if query else ''}", HTTPStatus.SEE_OTHER)

    return router

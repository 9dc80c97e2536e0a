"""`/instances/{uid}`: everything about one image, and what its readers say."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.deliver.routing import route_of
from gateway.errors import GatewayError, Retry
from gateway.records import SR
from gateway.results.activation_overlay import FIXED_RANGE, map_range
from gateway.settings.viewer_url import PLACES, viewer_address
from gateway.store.entries import Agreement
from gateway.store.queries.images import shown_of
from gateway.store.queries.views import ImageView
from gateway.store.requeue import Requeue
from gateway.web.pages.report_tree import Item, read_tree
from gateway.web.pages.templates import page
from gateway.web.security.access import TOKEN_HOLDER
from gateway.web.security.audit import record_viewed
from gateway.web.security.guard import unknown_image
from gateway.web.site import Site
from gateway.web.viewer.placeholder import Why, certain, placeholder

READER_COOKIE = "gateway_reader"  # where nobody signs in: the name that was given last
YEAR_SECONDS = 31_536_000


def routes(site: Site) -> APIRouter:
    """Return the report and what is done from it."""
    router = APIRouter(include_in_schema=False)

    @router.get("/instances/{sop_instance_uid}", response_class=HTMLResponse)
    def report(request: Request, sop_instance_uid: str) -> Response:
        versions = site.images.versions(sop_instance_uid)
        shown = shown_of(versions)
        if shown is None:
            response = page(
                request,
                site,
                "unknown.html",
                uid=sop_instance_uid,
                refusals=site.refusals.of(sop_instance_uid),
                refused=placeholder(Why.REFUSED),
            )
            response.status_code = HTTPStatus.NOT_FOUND
            return response
        record_viewed(request, shown)
        newer, older = site.worklist.neighbours(shown.id)
        about = {"image": shown, "versions": versions, "newer": newer, "older": older}
        may_see = site.access.sees_patients(request.state.reader)
        about["patient"] = site.worklist.patient_of(shown.id) if may_see else None
        told = {"tree": _tree(site, shown), "map_limit": _map_limit(shown), **_status(site, shown)}
        told |= {"fixed_limit": FIXED_RANGE, "elsewhere": _elsewhere(site, shown), "why_none": certain(shown)}
        return page(
            request, site, "report.html", **about, **told, **_feedback(request, site, sop_instance_uid)
        )

    @router.get("/instances/{sop_instance_uid}/status", response_class=HTMLResponse)
    def status(request: Request, sop_instance_uid: str, state: str = "", judged: str = "") -> Response:
        """The part that changes by itself; nothing while it has not, the whole page with another answer."""
        shown = site.images.shown(sop_instance_uid)
        if shown is None:
            return unknown_image()
        if judged != _judged(shown):
            return Response(headers={"HX-Refresh": "true"})
        if state == f"{shown.state} {len(shown.events)}":
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return status_part(request, site, shown)

    @router.post("/instances/{sop_instance_uid}/retry", response_class=HTMLResponse)
    def retry(request: Request, sop_instance_uid: str) -> Response:
        Requeue(site.ledger).retry(sop_instance_uid, route_of(site.settings))
        shown = site.images.shown(sop_instance_uid)
        if shown is None:
            return unknown_image()
        if request.headers.get("hx-request"):
            return status_part(request, site, shown)
        return RedirectResponse(f"/instances/{sop_instance_uid}", HTTPStatus.SEE_OTHER)

    @router.post("/instances/{sop_instance_uid}/feedback", response_class=HTMLResponse)
    def feedback(
        request: Request,
        sop_instance_uid: str,
        verdict: Annotated[Agreement, Form()],
        judged: Annotated[str, Form(max_length=64)],
        comment: Annotated[str, Form(max_length=2000)] = "",
        reader: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        name = _signed_in(request, site) or " ".join(reader.split())
        try:
            _check_name(request, site, name)
            site.feedback.record(sop_instance_uid, name, verdict, comment.strip(), _answer_id(judged))
            problem = ""
        except Retry:
            raise
        except GatewayError as error:
            problem = str(error)
        if not request.headers.get("hx-request") and not problem:
            response: Response = RedirectResponse(f"/instances/{sop_instance_uid}", HTTPStatus.SEE_OTHER)
        else:
            said = _feedback(request, site, sop_instance_uid)
            said |= {"name": name, "problem": problem, "judged": judged}
            response = page(request, site, "feedback.html", uid=sop_instance_uid, answered=True, **said)
        if not problem and not _signed_in(request, site):
            response.set_cookie(
                READER_COOKIE, name.encode().hex(), YEAR_SECONDS, httponly=True, samesite="strict"
            )
        return response

    return router


def status_part(request: Request, site: Site, shown: ImageView, note: str = "") -> HTMLResponse:
    """Return the part of the report that changes by itself; `note` is about what the reader asked for."""
    return page(request, site, "report_status.html", image=shown, **_status(site, shown, note))


def _status(site: Site, shown: ImageView, note: str = "") -> dict[str, Any]:
    names = [each.name for each in site.settings.destinations]
    return {"judged": _judged(shown), "destinations": names, "note": note}


def _signed_in(request: Request, site: Site) -> str:
    """Return the user's own name; whoever shows the token may give any."""
    reader = getattr(request.state, "reader", "")
    return reader if reader in site.access.user_names else ""


def _check_name(request: Request, site: Site, name: str) -> None:
    if not name:
        raise GatewayError("state your name: feedback is kept with its reader")
    users = {user.casefold() for user in site.access.user_names}
    if name.casefold() in users and not _signed_in(request, site):
        raise GatewayError(f"sign in as {name} to read under this name")


def _feedback(request: Request, site: Site, uid: str) -> dict[str, Any]:
    said = site.readings.of(uid)
    name = _signed_in(request, site) or _remembered_name(request) or _stated_name(request)
    return {"said": said, "name": name, "fixed_name": bool(_signed_in(request, site)), "problem": ""}


def _remembered_name(request: Request) -> str:
    try:
        return bytes.fromhex(request.cookies.get(READER_COOKIE, "")).decode()[:64]
    except ValueError:
        return ""


def _stated_name(request: Request) -> str:
    """Return the name under which somebody has signed in by the token."""
    name = getattr(request.state, "reader", "")
    return "" if name == TOKEN_HOLDER else name


def _judged(shown: ImageView) -> str:
    """Return the answer that a reader of this page judges, for its form."""
    return str(shown.answer.id) if shown.answer else ""


def _answer_id(judged: str) -> int:
    """Return the answer's number; 0, which no answer has, for the form of an earlier version."""
    return int(judged) if judged.isdecimal() and len(judged) < 19 else 0


def _tree(site: Site, shown: ImageView) -> Item | None:
    """Return the content of the report; None where it was deleted, or cannot be had now."""
    report = shown.standing(SR)
    if report is None or report.deleted_at:
        return None
    with suppress(Retry):
        site.stores.results.fetch(report.path)
        return read_tree(report.path)
    return None


def _elsewhere(site: Site, shown: ImageView) -> str:
    """Return the address of the image in the site's PACS viewer; empty where none is known."""
    template = site.settings.web.viewer_url
    uids = {name: getattr(shown, name) for name in PLACES}
    named = template and all(uid for name, uid in uids.items() if f"{{{name}}}" in template)
    return viewer_address(template, uids) if template and named else ""


def _map_limit(shown: ImageView) -> float | None:
    """Return the value at the ends of the colour scale; None where the model gave no answer."""
    answer = shown.answer
    if not answer or answer.score is None or not answer.activation:
        return None
    return map_range(np.asarray(answer.activation, np.float32))

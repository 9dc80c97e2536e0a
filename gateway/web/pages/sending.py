"""`/instances/{uid}/route` and `/resend`: where the results of an image go, why, and once more."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.deliver.routing import Judgement, judge, route_of
from gateway.rules.attributes import NoHeader
from gateway.store.headers import kept_header_of
from gateway.store.queries.views import ImageView
from gateway.store.requeue import Requeue, Requeued, Selection
from gateway.web.pages.report import status_part
from gateway.web.pages.templates import page
from gateway.web.security.guard import unknown_destination, unknown_image
from gateway.web.site import Site


def routes(site: Site) -> APIRouter:
    """Return the page of an image's routes, and the button that sends its results again."""
    router = APIRouter(include_in_schema=False)

    @router.get("/instances/{sop_instance_uid}/route", response_class=HTMLResponse)
    def show(request: Request, sop_instance_uid: str) -> Response:
        image = site.images.shown(sop_instance_uid)
        if image is None:
            return unknown_image()
        judgements, problem = _judged(site, image)
        return page(request, site, "route.html", image=image, judgements=judgements, problem=problem)

    @router.post("/instances/{sop_instance_uid}/resend", response_class=HTMLResponse)
    def resend(
        request: Request, sop_instance_uid: str, to: Annotated[str, Form(max_length=64)] = ""
    ) -> Response:
        if to and to not in [each.name for each in site.settings.destinations]:
            return unknown_destination(to)
        image = site.images.shown(sop_instance_uid)
        if image is None:
            return unknown_image()
        selection = Selection((sop_instance_uid,))
        sent = Requeue(site.ledger).resend(selection, route_of(site.settings, only=to or None))
        if not request.headers.get("hx-request"):
            return RedirectResponse(f"/instances/{sop_instance_uid}", HTTPStatus.SEE_OTHER)
        return status_part(request, site, site.images.shown(sop_instance_uid) or image, _told(sent))

    return router


def _judged(site: Site, image: ImageView) -> tuple[list[Judgement], str]:
    """Return each route with its verdict, or the problem that keeps conditions from being judged."""
    try:
        header = kept_header_of(site.ledger, image.source, image.pulled_from)
        return list(judge(site.settings, image.calling_ae_title, header)), ""
    except NoHeader as problem:
        return [], f"A condition cannot be judged: {problem}"


def _told(sent: Requeued) -> str:
    """Return why nothing was sent; empty where something was."""
    if sent.deliveries:
        return ""
    if sent.unjudged:
        return "The image's file has been deleted, so that no route can be found: choose a destination."
    if sent.unrouted:
        return "No route takes this image: choose a destination."
    return "Nothing to send: there are no results, or all of them are on their way already."

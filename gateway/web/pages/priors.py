"""`/instances/{uid}/priors`: an image beside one of an earlier study of the same patient.

Both pictures stand with their own answers. The page never says who the patient is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from gateway.store.queries.priors import Known, PriorRow
from gateway.web.pages.templates import page
from gateway.web.security.audit import record_viewed
from gateway.web.security.guard import unknown_image
from gateway.web.site import Site


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two pictures; `note` says why its score is not to be compared, or is empty."""

    title: str
    row: PriorRow
    note: str = ""


def routes(site: Site) -> APIRouter:
    """Return the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/instances/{sop_instance_uid}/priors", response_class=HTMLResponse)
    def show(
        request: Request,
        sop_instance_uid: str,
        beside: Annotated[int | None, Query(ge=1, le=2**53, description="Row of the prior")] = None,
    ) -> Response:
        image = site.images.shown(sop_instance_uid)
        if image is None:
            return unknown_image()
        known = site.priors.of(image.id)
        chosen = _chosen(known, beside) if known else None
        record_viewed(request, image)
        for each in site.images.complete([chosen.id]) if chosen else ():
            record_viewed(request, each)
        sides = _sides(known, chosen) if known else []
        return page(
            request,
            site,
            "priors.html",
            image=image,
            known=known,
            chosen=chosen,
            sides=sides,
            studied=studied,
        )

    return router


def studied(row: PriorRow) -> str:
    """Return when an image was taken, for people; when it was received where its header does not say."""
    for form, shown in (("%Y%m%d%H%M%S", "%Y-%m-%d %H:%M"), ("%Y%m%d", "%Y-%m-%d")):
        try:
            return f"{datetime.strptime(row.studied, form):{shown}}"  # noqa: DTZ007 - the scanner's local time
        except ValueError:
            continue
    return f"received {row.received_at.astimezone():%Y-%m-%d}"


def _chosen(known: Known, beside: int | None) -> PriorRow | None:
    """Return the image that was asked for, else the newest earlier one, with an answer if there is one."""
    if beside is not None:
        return next((row for row in known.others if row.id == beside), None)
    earlier = [row for row in known.others if row.order < known.image.order]
    return next((row for row in earlier if row.label is not None), next(iter(earlier), None))


def _sides(known: Known, chosen: PriorRow | None) -> list[Side]:
    image = known.image
    if chosen is None:
        return [Side("This image", image)]
    title = "Earlier study" if chosen.order < image.order else "Later study"
    return [Side("This image", image), Side(title, chosen, _difference(image, chosen))]


def _difference(image: PriorRow, other: PriorRow) -> str:
    if image.label is None or other.label is None or image.model == other.model:
        return ""
    if image.model[:3] == other.model[:3]:
        return "The model was fitted to another site then: the two scores are not comparable."
    return "Another model has answered here: the two scores are not comparable."

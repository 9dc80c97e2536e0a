"""`/concordance`: what readers say of the answers, by scanner and by sender."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from gateway.records import in_sentence
from gateway.web.pages.concordance import Reading, by, calibration, concordance
from gateway.web.pages.plots import reliability
from gateway.web.pages.templates import page
from gateway.web.site import Site


def routes(site: Site) -> APIRouter:
    """Return the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/concordance", response_class=HTMLResponse)
    def show(request: Request) -> Response:
        said = list(site.readings.standing())
        findings = {each.finding for each in said}
        readings = [Reading.of(each) for each in said]
        found = calibration(readings)
        groups = {
            "By scanner": by(lambda each: each.scanner or "not stated", readings),
            "By calling AE title": by(lambda each: each.calling_ae_title, readings),
        }
        return page(
            request,
            site,
            "concordance.html",
            total=concordance("All", readings),
            groups=groups,
            calibration=found,
            finding=in_sentence(findings.pop()) if len(findings) == 1 else "the finding",
            plot=reliability(found),
        )

    return router

"""Pages from templates; every value is escaped, since DICOM headers are written by strangers."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from gateway import __version__
from gateway.records import in_sentence
from gateway.results.answer import NOT_FITTED, RESEARCH_BANNER, threshold_in_words
from gateway.results.person_name import readable_name
from gateway.web.pages import words
from gateway.web.security.roles import EVERY_ROLE, may, needed_role
from gateway.web.site import Site

PRIVATE = (
    ("/", "Worklist"),
    ("/dashboard", "Dashboard"),
    ("/concordance", "Concordance"),
    ("/refusals", "Refusals"),
    ("/pulls", "Fetched"),
    ("/upload", "Upload"),
    ("/docs", "API"),
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
PUBLIC = (("/upload", "Upload"), ("/docs", "API"))


def page(request: Request, site: Site, template: str, **values: Any) -> HTMLResponse:
    """Return a page or a part of one."""
    roles = getattr(request.state, "roles", EVERY_ROLE)
    pages = PUBLIC if site.settings.web.public_upload else PRIVATE
    about = {
        "request": request,
        "path": request.scope["path"],
        "reader": getattr(request.state, "reader", ""),
        "navigation": [
            (target, name)
            for target, name in pages
            if may(roles, needed_role("GET", target)) and (target != "/pulls" or site.settings.sources)
        ],
        "roles": roles,
        "signed_in": not site.access.is_open,
        "time_zone": site.settings.web.zone,
        "zone": f"{datetime.now().astimezone(site.settings.web.zone):%Z}",
        "sees_patients": site.access.sees_patients(getattr(request.state, "reader", "")),
    }
    return HTMLResponse(_environment().get_template(template).render(about | values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "time": _time,
        "reason": words.reason_in_words,
        "taken": words.taken,
        "duration": words.duration,
        "ago": words.ago,
        "age": words.age,
        "sex": lambda code: words.SEXES.get(code, code),
        "person": lambda name: readable_name(name, bool),
        "date": words.date,
        "in_sentence": in_sentence,
        "state": lambda state: words.STATES.get(state, state),
        "delivery": lambda state: words.DELIVERIES.get(state, state),
        "verdict": lambda verdict: words.VERDICTS[verdict],
        "value": _value,
        "percent": lambda fraction: "–" if fraction is None else f"{100 * fraction:.1f} %",
        "score": words.score,
        "threshold": lambda threshold: "–" if threshold is None else threshold_in_words(threshold),
        "counted": words.counted,
        "number": lambda number: f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
    }
    environment.globals |= {"banner": RESEARCH_BANNER, "not_fitted": NOT_FITTED, "version": __version__}
    return environment


@pass_context
def _value(context: Context, value: Any) -> str:
    """Return a value of an event for people: numbers with four digits, times as `_time` tells them."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(context, each)}" for key, each in value.items())
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return _time(context, datetime.fromisoformat(value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@pass_context
def _time(context: Context, time: datetime | None, form: str = "%Y-%m-%d %H:%M:%S %Z") -> str:
    """Return a time in the zone of the settings, else of the machine: that of the reading room's clock."""
    return "" if time is None else time.astimezone(context["time_zone"]).strftime(form)

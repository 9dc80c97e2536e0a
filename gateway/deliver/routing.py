"""Decides which destinations get a result: those of the image's route that accept its kind.

The encode step, `gateway retry` and `resend` ask `route_of`, `gateway route` and its page ask `judge`. The
first route counts whose calling AE title fits and whose condition holds for the image's header. The same
file and the same settings give the same decision, at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.deliver.destinations import KINDS, Kinds, open_destinations
from gateway.rules.attributes import HeaderReader, no_header
from gateway.rules.operand import Unclear
from gateway.settings import Route, Settings
from gateway.store.entries import Router


class Verdict(StrEnum):
    """Verdict on one route for one image."""

    TAKEN = "taken"  # its destinations get the results
    OTHER_SENDER = "other_sender"  # the calling AE title does not fit
    DOES_NOT_HOLD = "does_not_hold"  # the condition does not hold
    UNCLEAR = "unclear"  # the condition cannot be judged, and counts as not holding
    NOT_REACHED = "not_reached"  # an earlier route was taken


@dataclass(frozen=True, slots=True)
class Judgement:
    """One route and what became of it; `number` counts from 0, as in the settings; `why` names no patient."""

    number: int
    route: Route
    verdict: Verdict
    why: str


def route_of(settings: Settings, *, only: str | None = None, kinds: Kinds = KINDS) -> Router:
    """Return the routes that are configured, or one that leads from everywhere to `only`."""
    destinations = open_destinations(settings, kinds)

    def route(
        calling_ae_title: str, kind: str, media_type: str, header: HeaderReader = no_header
    ) -> tuple[str, ...]:
        names = destinations_of(settings, calling_ae_title, header) if only is None else (only,)
        return tuple(name for name in names if destinations[name].accepts(kind, media_type))

    return route


def destinations_of(settings: Settings, calling_ae_title: str, header: HeaderReader) -> tuple[str, ...]:
    """Return the destinations of the route that is taken, or none; `NoHeader` where a condition needs one."""
    found = judge(settings, calling_ae_title, header)
    return next((each.route.to for each in found if each.verdict is Verdict.TAKEN), ())


def unclear_routes(
    settings: Settings, calling_ae_title: str, header: HeaderReader
) -> tuple[tuple[int, str], ...]:
    """Return number and problem of each route that could not be judged before one was taken."""
    found = judge(settings, calling_ae_title, header)
    return tuple((each.number, each.why) for each in found if each.verdict is Verdict.UNCLEAR)


def judge(settings: Settings, calling_ae_title: str, header: HeaderReader) -> Iterator[Judgement]:
    """Yield each route, in order, with its verdict on an image; the header is read where it is needed.

    Raises
    ------
    NoHeader
        If a condition has to be judged, and the header cannot be read.
    """
    taken: int | None = None
    for number, route in enumerate(settings.routes):
        if taken is not None:
            yield Judgement(number, route, Verdict.NOT_REACHED, f"routes.{taken} takes the image before it")
            continue
        verdict, why = _verdict(route, calling_ae_title, header)
        taken = number if verdict is Verdict.TAKEN else None
        yield Judgement(number, route, verdict, why)


def _verdict(route: Route, calling_ae_title: str, header: HeaderReader) -> tuple[Verdict, str]:
    if not route.is_from(calling_ae_title):
        return Verdict.OTHER_SENDER, f"{calling_ae_title} does not match {route.calling_ae_title}"
    condition = route.condition
    if condition is None:
        return Verdict.TAKEN, "it has no condition"
    attributes = header(condition.names)
    try:
        if condition.holds(attributes):
            return Verdict.TAKEN, "its condition holds"
        return Verdict.DOES_NOT_HOLD, condition.why_not(attributes)
    except Unclear as problem:
        return Verdict.UNCLEAR, str(problem)

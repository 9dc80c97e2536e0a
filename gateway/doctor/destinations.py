"""Examines the destinations of results, and the routes that lead to them. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import UID

from gateway.configuration.agreement import gaps
from gateway.deliver.destination import Destination
from gateway.deliver.destinations import open_destinations
from gateway.doctor.finding import Finding, doubtful
from gateway.results.kinds import KINDS
from gateway.results.result import ResultRules
from gateway.settings import Settings


def destinations(settings: Settings) -> Iterator[Finding]:
    """Examine each destination in turn, and name the destinations to which no route leads."""
    routed = {name for route in settings.routes for name in route.to}
    rules = ResultRules.of(settings.results.model_dump())
    for destination in open_destinations(settings).values():
        yield from destination.examine(_sop_classes(destination, rules))
        if destination.name not in routed:
            yield doubtful(destination.title, "no route leads to it", "here: name it under routes")


def routes(settings: Settings) -> Iterator[Finding]:
    """Look for senders whose results would go nowhere."""
    for _, sender in gaps(settings):
        advice = "here: state one under routes; until then answers are kept, and delivered nowhere"
        yield doubtful("routes", f"there is none for {sender}", advice)


def _sop_classes(destination: Destination, rules: ResultRules) -> dict[str, str]:
    """Return the SOP classes that the destination will get, each with advice where it is not taken."""
    found = {}
    for builder in KINDS:
        uid = builder.sop_class_uid(rules)
        if uid and builder.is_wanted(rules) and destination.accepts(builder.kind, builder.media_type):
            alternative = builder.alternative(rules)
            here = f"; here: {alternative}" if alternative else ""
            found[uid] = f"there: allow {UID(uid).name} from this gateway{here}"
    return found

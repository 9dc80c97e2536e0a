"""`/dashboard`: what comes and goes, how fast, and whether scanners' images change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from gateway.records import Stage, State
from gateway.store.clock import now
from gateway.store.queries.statistics import DAY
from gateway.telemetry.role_status import read_role_status
from gateway.web.disks import disks
from gateway.web.pages import plots
from gateway.web.pages.templates import page
from gateway.web.site import Site
from gateway.worker.plausibility import judge_first_answers

HOUR = 3600
HOURS = 24
DRIFT_DAYS = 42
MOST_SCANNERS = 6
POINTS = 24  # of the latency's lines
REMEMBER_SECONDS = 15.0


def routes(site: Site) -> APIRouter:
    """Return the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/dashboard", response_class=HTMLResponse)
    def show(request: Request) -> Response:
        found = site.remembered.get("dashboard", REMEMBER_SECONDS, lambda: survey(site))
        return page(request, site, "dashboard.html", **found)

    return router


def survey(site: Site) -> dict[str, Any]:
    """Return everything that the page shows."""
    waiting, oldest = site.traffic.queue()
    answered = [seconds for _, seconds in site.statistics.seconds(Stage.ANSWER)]
    return {
        "states": site.images.states(),
        "all_states": list(State),
        "waiting": waiting,
        "oldest": (now() - oldest).total_seconds() if oldest else None,
        "disk": max(disks(site).values(), key=lambda disk: disk.used),
        "latency": {name: percentile(answered, part) for name, part in (("p50", 0.5), ("p95", 0.95))},
        "last_received": site.traffic.last_received(),
        "judgement": judge_first_answers(site.settings, site.ledger),
        "destinations": site.traffic.destinations(),
        "roles": sorted(read_role_status(site.settings.directory.role_status).items()),
        "rate_plot": _rate(site),
        "latency_plot": _latency(site),
        "drift": _drift(site),
        "drift_days": DRIFT_DAYS,
    }


def percentile(values: Iterable[float], part: float) -> float | None:
    """Return the smallest value that is not exceeded by this part of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


def _rate(site: Site) -> Markup:
    time = now()
    last = int(time.timestamp()) // HOUR
    counts = site.statistics.arrivals(time - timedelta(hours=HOURS - 1, minutes=time.minute + 1), HOUR)
    hours = range(last - HOURS + 1, last + 1)
    labels = {
        n: f"{datetime.fromtimestamp(h * HOUR).astimezone(site.settings.web.zone):%H}:00"
        for n, h in enumerate(hours)
        if n % 6 == 5
    }
    return plots.bars([counts.get(hour, 0) for hour in hours], labels, "Images received in each hour")


def _latency(site: Site) -> Markup:
    """The last answers and deliveries in groups of equal size: night and day count alike."""
    stages, parts = (Stage.ANSWER, Stage.DELIVER), {"median": 0.5, "95 %": 0.95}
    # also of a stage without runs: the place of a line decides its colour
    series: dict[str, list[tuple[float, float]]] = {
        f"{stage}, {name}": [] for stage in stages for name in parts
    }
    labels: dict[float, str] = {}
    for stage in stages:
        for number, group in enumerate(_groups(site.statistics.seconds(stage))):
            for name, part in parts.items():
                value = percentile((seconds for _, seconds in group), part) or 0
                series[f"{stage}, {name}"].append((number, value))
            if stage is Stage.ANSWER and number % 8 == 0:
                labels[number] = f"{group[0][0].astimezone(site.settings.web.zone):%m-%d %H:%M}"
    return plots.lines(series, labels, "Seconds from reception to answer, and from answer to delivery", " s")


def _groups(runs: Sequence[tuple[datetime, float]]) -> list[Sequence[tuple[datetime, float]]]:
    size = max(1, -(-len(runs) // POINTS))
    return [runs[start : start + size] for start in range(0, len(runs), size)]


def _drift(site: Site) -> list[dict[str, Any]]:
    since = now() - timedelta(days=DRIFT_DAYS)
    scores, brightness = site.statistics.score_counts(since), site.statistics.brightness_counts(since)
    images: dict[str, int] = {}
    for scanner, _, _, count in brightness:
        images[scanner] = images.get(scanner, 0) + count
    return [
        {
            "scanner": scanner or "not stated",
            "images": images[scanner],
            "score": _spread(scores, scanner, f"Scores of {scanner}"),
            "brightness": _spread(brightness, scanner, f"Brightness of {scanner}"),
        }
        for scanner in sorted(images, key=lambda name: -images[name])[:MOST_SCANNERS]
    ]


def _spread(counts: Sequence[tuple[str, int, int, int]], scanner: str, title: str) -> Markup:
    mine = {(day, tenth): count for name, day, tenth, count in counts if name == scanner}
    days = sorted({day for day, _ in mine})
    columns = {day: f"{datetime.fromtimestamp(day * DAY, UTC):%m-%d}" for day in days}
    return plots.heat(mine, columns, title)

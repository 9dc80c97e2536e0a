"""The report of a profile: one HTML file that loads nothing, for the signature of a medical physicist."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.commissioning.commission import Evidence
from gateway.commissioning.plots import Interval, Row, dots, intervals
from gateway.model.card import ModelCard
from gateway.model.profile import Area, Part, ProfileCard
from gateway.results.answer import RESEARCH_BANNER

BEFORE, AFTER = "as shipped", "with the profile"


def report_page(card: ProfileCard, sha256: str, model: ModelCard, evidence: Evidence) -> str:
    """Return the page.

    Parameters
    ----------
    card, sha256
        The profile, and its SHA-256.
    model
        The card of the model that was fitted.
    """
    environment = Environment(
        loader=PackageLoader("gateway.commissioning", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": _share, "area": _area}
    return environment.get_template("report.html").render(
        banner=RESEARCH_BANNER,
        profile=card,
        sha256=sha256,
        model=model,
        classes=model.classes,
        dots=_dots(card, evidence),
        intervals=_intervals(card),
    )


def _dots(card: ProfileCard, evidence: Evidence) -> str:
    rows = [
        Row(f"normal, {BEFORE}", evidence.before.normal, "normal", evidence.threshold_before),
        Row(f"sick, {BEFORE}", evidence.before.sick, "sick", evidence.threshold_before),
        Row(f"normal, {AFTER}", evidence.after.normal, "normal", evidence.threshold_after),
        Row(f"sick, {AFTER}", evidence.after.sick, "sick", evidence.threshold_after),
    ]
    return dots([row for row in rows if len(row.odds)], f"Log-odds of the images of {card.site}")


def _intervals(card: ProfileCard) -> str:
    rows = []
    for name, figures in ((BEFORE, card.before), (AFTER, card.after)):
        rows.append(Interval(f"specificity, {name}", figures.specificity, "normal"))
        if figures.sensitivity:
            rows.append(Interval(f"sensitivity, {name}", figures.sensitivity, "sick"))
    rows.sort(key=lambda row: row.label.split(",")[0], reverse=True)
    return intervals(rows, "Specificity and sensitivity with 95 % intervals", card.target_specificity)


def _share(part: Part) -> str:
    return f"{part.value:.2f} [{part.low:.2f}, {part.high:.2f}] ({part.part} of {part.whole})"


def _area(area: Area) -> str:
    return f"{area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"

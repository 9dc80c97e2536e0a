"""The finding of a check: one line of `gateway doctor`, one object of `gateway doctor --json`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Severity of a finding."""

    GOOD = "good"
    DOUBTFUL = "doubtful"  # it works, perhaps not as intended
    WRONG = "wrong"  # images or results are held up


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; the attributes are the keys of `gateway doctor --json`.

    Attributes
    ----------
    what
        Name of the check: `disk`, `listener`, `destination pacs`, …
    told
        The state in a few words.
    advice
        The change to make, and the side (here, there, between); empty for a good finding.
    """

    what: str
    verdict: Severity
    told: str
    advice: str = ""


def good(what: str, told: str) -> Finding:
    """Return a good finding."""
    return Finding(what, Severity.GOOD, told)


def doubtful(what: str, told: str, advice: str) -> Finding:
    """Return a doubtful finding, with advice."""
    return Finding(what, Severity.DOUBTFUL, told, advice)


def wrong(what: str, told: str, advice: str) -> Finding:
    """Return a finding that holds up images or results, with advice."""
    return Finding(what, Severity.WRONG, told, advice)

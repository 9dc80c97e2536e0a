"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    DOUBTFUL = "doubtful"  # it works, but perhaps not as meant
    WRONG = "wrong"  # images or results are held up


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table.

    Attributes
    ----------
    what
        Was examined: `disk`, `listener`, `destination pacs`, …
    told
        What is the case, in a few words.
    advice
        What to change, and on which side; empty where all is good.
    """

    what: str
    verdict: Verdict
    told: str
    advice: str = ""


def good(what: str, told: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(what, Verdict.GOOD, told)


def doubtful(what: str, told: str, advice: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(what, Verdict.DOUBTFUL, told, advice)


def wrong(what: str, told: str, advice: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(what, Verdict.WRONG, told, advice)

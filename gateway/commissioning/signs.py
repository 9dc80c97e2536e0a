"""Signs that images given as normal are not normal. `commission` makes no profile where it sees one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gateway.commissioning.candidates import Candidate, copies_of
from gateway.commissioning.cross_validation import Odds
from gateway.errors import GatewayError

FAR = 3.5
"""Robust deviations above the median beyond which a score is far out (Iglewicz and Hoaglin 1993)."""

TWO_GROUPS = 0.8
"""Share of the scores' variance, 0–1, that a split into two groups explains where there are two.

The best split of a normal distribution explains 0.64, that of a uniform one 0.75.
"""

SMALLEST_GROUP = 0.1
"""Share of the images below which a group is not looked for: its scores are far out by themselves."""

LEAST_AREA = 0.5

_DEVIATION = 1.4826  # of a normal distribution, by its median absolute deviation


def far_out(names: Sequence[str], odds: Odds) -> list[str]:
    """Return the images whose log-odds lie far above those of the others, the furthest first.

    Many of them widen the robust deviation until none lies far out. They then are a group of their own.
    """
    middle = np.median(odds)
    spread = _DEVIATION * float(np.median(np.abs(odds - middle)))
    limit = min(middle + FAR * spread, _between_groups(odds))
    beyond = odds > limit if spread else np.zeros(len(odds), bool)
    order = np.argsort(-odds)
    return [names[i] for i in order if beyond[i]]


def _between_groups(odds: Odds) -> float:
    """Return the log-odds midway between two groups (Otsu 1979), infinite where there is one group."""
    ordered, n = np.sort(odds), len(odds)
    smallest = max(2, math.ceil(SMALLEST_GROUP * n))
    below = np.arange(smallest, n - smallest + 1)
    sums = np.cumsum(ordered)
    apart = (sums[-1] - sums[below - 1]) / (n - below) - sums[below - 1] / below
    between = below * (n - below) / n**2 * apart**2
    best = int(np.argmax(between))
    if between[best] < TWO_GROUPS * ordered.var():
        return math.inf
    return float(ordered[below[best] - 1 : below[best] + 1].mean())


def check_far_out(names: Sequence[str], odds: Odds, *, read_again: bool) -> int:
    """Return how many images are far out.

    Raises
    ------
    GatewayError
        There are some, and nobody has read them again; all are named.
    """
    found = far_out(names, odds)
    if found and not read_again:
        raise GatewayError(
            f"{len(found)} of the normal images score far above the others: {', '.join(found)}; let a reader "
            "look at them again, take away those that are not normal, and state --read-again to keep the rest"
        )
    return len(found)


def check_apart(normal: Sequence[Candidate], sick: Sequence[Candidate]) -> None:
    """Refuse an image that was given as normal and as sick.

    Raises
    ------
    GatewayError
        There is one; the first one is named.
    """
    for each in normal:
        if copies := copies_of(each, sick):
            raise GatewayError(
                f"{each.name} is given as normal, and as sick under the name {copies[0].name}: "
                "an image is one of the two"
            )


def check_order(area: float) -> None:
    """Refuse sick images that score no higher than the normal ones.

    Raises
    ------
    GatewayError
        The area under the ROC curve is 0.5 or less.
    """
    if area <= LEAST_AREA:
        raise GatewayError(
            f"the sick images score no higher than the normal ones (AUC {area:.2f}): the two may be swapped, "
            "or the model cannot tell them apart at this site; no profile was made"
        )

"""Signs that images given as normal are not normal. `commission` makes no profile where it sees one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gateway.commissioning.candidates import Candidate, copies_of
from gateway.commissioning.cross_validation import Odds
from gateway.errors import GatewayError

FAR = 3.5
"""Robust deviations above the median beyond which a score is far out (Iglewicz and Hoaglin 1993)."""

LEAST_AREA = 0.5

_DEVIATION = 1.4826  # of a normal distribution, by its median absolute deviation


def far_out(names: Sequence[str], odds: Odds) -> list[str]:
    """Return the images whose log-odds lie far above those of the others, the furthest first."""
    middle = np.median(odds)
    spread = _DEVIATION * float(np.median(np.abs(odds - middle)))
    beyond = odds - middle > FAR * spread if spread else np.zeros(len(odds), bool)
    order = np.argsort(-odds)
    return [names[i] for i in order if beyond[i]]


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

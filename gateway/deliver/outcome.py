"""Outcome of one attempt at one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.peer_text import clean
from gateway.store.entries import PendingDelivery


class Verdict(StrEnum):
    """Meaning of an attempt for the object."""

    DELIVERED = "delivered"
    LATER = "later"  # this object may be taken another time: no answer, out of resources
    NEVER = "never"  # it will not: unsupported SOP class, data set refused
    AWAY = "away"  # no object's turn: nobody there, association rejected or ended early


SUPERSEDED = "a later answer has replaced this one, and has a result of its own"
"""Why a destination that keeps the last result of an image never gets this one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One object's outcome.

    Attributes
    ----------
    error
        A sentence for a person, cleaned here: part of it may be the destination's own words.
    unsure
        The object was sent and the end is unknown: the destination may have stored it.
    retry_after
        Seconds for which a destination that is away asks to be left alone.
    more_follow
        The next outcome is known already.
    is_left
        The object was not tried: the end of an earlier one ended the round.
    """

    delivery: PendingDelivery
    verdict: Verdict
    error: str | None = None
    unsure: bool = False
    retry_after: float | None = None
    more_follow: bool = False
    is_left: bool = False

    def __post_init__(self) -> None:
        if self.error is not None:
            object.__setattr__(self, "error", clean(self.error))


def each_by_itself(
    pending: Sequence[PendingDelivery], deliver: Callable[[PendingDelivery], tuple[Outcome, bool]]
) -> Iterator[Outcome]:
    """Deliver one result after the other; yield the outcome of each.

    Parameters
    ----------
    deliver
        Returns the outcome of one, and whether the next one is to be tried; else the others are `AWAY`.
    """
    for position, delivery in enumerate(pending):
        outcome, goes_on = deliver(delivery)
        yield outcome
        if not goes_on:
            for left in pending[position + 1 :]:
                yield Outcome(
                    left, Verdict.AWAY, outcome.error, retry_after=outcome.retry_after, is_left=True
                )
            return

"""Exceptions by which an association that the gateway requested ends early, in words about the node."""

from __future__ import annotations

import ssl

from gateway.client.connection import Stopped
from gateway.errors import Retry
from gateway.tls import problem_of
from gateway.upper_layer.endings import Malformed


class Ended(Retry):
    """The association is over; the message names the node and what ended it."""


class Interrupted(Ended):
    """The gateway itself ended it, because it stops."""


class Rejected(Ended):
    """The node rejected the association; `why` is source and reason of PS3.8 Table 9-21."""

    def __init__(self, told: str, why: tuple[int, int]) -> None:
        super().__init__(told)
        self.why = why


class NotTakenError(TimeoutError):
    """Patience ended while we sent."""


def ended_by(
    problem: Malformed | Stopped | OSError, node: str, *, closed: str, silent: str, seconds: float
) -> Ended:
    """Return the end of an association of a node, in words.

    Parameters
    ----------
    closed, silent
        Words for a connection that the peer closed, and for a peer that did not answer within `seconds`.
    """
    match problem:
        case Stopped():
            return Interrupted(f"{node}: {problem}")
        case Malformed():
            return Ended(f"{node}: {problem}")
        case NotTakenError():
            return Ended(f"{node}: the peer does not take the data: {problem}")
        case TimeoutError():
            return Ended(f"{node}: {silent} within {seconds:g} s")
        case ssl.SSLError() if not isinstance(problem, ssl.SSLEOFError):
            return Ended(f"{node}: {problem_of(problem)}")
        case _:
            return Ended(f"{node}: {closed} ({_cause(problem)})")


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLEOFError):
        return "closed"
    return (error.strerror or str(error)).lower()

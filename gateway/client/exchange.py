"""Ends of an exchange that bring no answer to a request; the clients of HTTP and MLLP raise them."""

from __future__ import annotations

from gateway.errors import Retry


class Unreached(Retry):
    """There was no connection: nothing was sent."""


class Unanswered(Retry):
    """The peer was reached, and what it made of the request is unknown.

    Attributes
    ----------
    is_silent
        It kept the connection and let time pass.
    """

    def __init__(self, problem: str, *, is_silent: bool = False) -> None:
        super().__init__(problem)
        self.is_silent = is_silent


class TooLarge(Unanswered):
    """The answer is longer than any that is read."""


class HungUp(Unanswered):
    """The peer closed the connection before it answered."""


class Interrupted(Unanswered):
    """The gateway is to stop, and did not wait for the end."""

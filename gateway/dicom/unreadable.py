"""The exception for bytes that cannot be read as a data set, and its faults.

The readers of this package raise it; the receiver answers each fault with the status of the same name.
"""

from __future__ import annotations

from enum import StrEnum, auto


class Fault(StrEnum):
    """Kinds of damage; faults of a data set are named like their C-STORE status in `statuses.Status`."""

    NO_PREAMBLE = auto()
    NOT_PARSABLE = auto()
    TRUNCATED = auto()
    PIXELS_TRUNCATED = auto()
    WRONG_ENCODING = auto()
    INFLATES_TOO_FAR = auto()
    NESTED_TOO_DEEP = auto()
    TOO_MANY_ELEMENTS = auto()


class Unreadable(Exception):  # noqa: N818 - describes the bytes
    """The bytes cannot be read as a data set, or exceed a bound; `reason` is one sentence."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason

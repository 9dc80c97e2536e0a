"""Why bytes are no data set that can be used; `receive` has a status for each fault."""

from __future__ import annotations

from enum import StrEnum, auto


class Fault(StrEnum):
    """Kinds of damage; each that a data set can have has the name of its C-STORE status."""

    NO_PREAMBLE = auto()
    NOT_PARSABLE = auto()
    TRUNCATED = auto()
    PIXELS_TRUNCATED = auto()
    WRONG_ENCODING = auto()
    INFLATES_TOO_FAR = auto()
    NESTED_TOO_DEEP = auto()
    TOO_MANY_ELEMENTS = auto()


class Unreadable(Exception):  # noqa: N818 - reads as what the bytes are
    """The bytes cannot be read, or not within bounds."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason

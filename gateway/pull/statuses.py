"""Statuses of C-FIND, C-GET and C-MOVE (PS3.4 Tables C.4-1 to C.4-3) in words, and whom they are about."""

from __future__ import annotations

from gateway.errors import Retry
from gateway.pull.source import SourceAway
from gateway.requestor.message import ERROR_COMMENT, STATUS, Command

SUCCESS = 0x0000
NOT_SUPPORTED, NOT_AUTHORISED = 0x0122, 0x0124  # PS3.7 C.5.6, C.5.13
CANNOT_COUNT = 0xA701  # out of resources: unable to calculate the number of matches
DESTINATION_UNKNOWN = 0xA801

_ABOUT_THE_SOURCE = {NOT_SUPPORTED, NOT_AUTHORISED, 0xA700, CANNOT_COUNT, DESTINATION_UNKNOWN}
_WORDS = {
    NOT_SUPPORTED: "SOP class not supported",
    NOT_AUTHORISED: "not authorised",
    0xA700: "out of resources",
    CANNOT_COUNT: "out of resources: it cannot count the matches",
    0xA702: "out of resources: it cannot perform the transfers",
    DESTINATION_UNKNOWN: "move destination unknown: it does not know this gateway's AE title",
    0xA900: "identifier does not match the SOP class",
    0xB000: "complete, but for some objects",
    0xFE00: "cancelled",
}


class DestinationUnknown(SourceAway):
    """The PACS lacks the gateway among its move destinations (A801)."""


def in_words(command: Command) -> str:
    """Return status and comment of a response."""
    status = command.number(STATUS) or 0
    words = _WORDS.get(status, "it cannot process that" if status >> 12 in (0xA, 0xC) else "")
    comment = command.text(ERROR_COMMENT)
    return " ".join(filter(None, (f"0x{status:04X}", words and f"({words})", comment)))


def check_found(command: Command) -> None:
    """See that a C-FIND ended with success.

    Raises
    ------
    SourceAway, Retry
    """
    _check_source(command)
    if command.number(STATUS) != SUCCESS:
        raise Retry(f"the search was answered {in_words(command)}")


def problem_of_retrieval(command: Command) -> str:
    """Return what the last response of a C-GET or C-MOVE says to be wrong; empty for success.

    Raises
    ------
    SourceAway
        If no study is to blame.
    """
    _check_source(command)
    return (
        "" if command.number(STATUS) == SUCCESS else f"the request to send was answered {in_words(command)}"
    )


def _check_source(command: Command) -> None:
    status = command.number(STATUS)
    if status == DESTINATION_UNKNOWN:
        raise DestinationUnknown(f"the request to send was answered {in_words(command)}")
    if status in _ABOUT_THE_SOURCE:
        raise SourceAway(f"it answered {in_words(command)}")

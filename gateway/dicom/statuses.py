"""C-STORE statuses (PS3.4 Table B.2-1, PS3.7 9.1.1.1.9 and Annex C) and the exception that carries one.

The receiver, STOW-RS and the couriers use them. CONFORMANCE.md lists every status; a test compares the list.
"""

from __future__ import annotations

from enum import IntEnum

MAX_ERROR_COMMENT = 64
"""Longest Error Comment (0000,0902), an LO, in characters (PS3.7 Annex C)."""


class Status(IntEnum):
    """Status of a C-STORE response. The values 0xC0xx are this gateway's sub-codes of Cxxx."""

    SUCCESS = 0x0000  # PS3.7 C.1.1: the bytes are fsynced and the row is committed
    INVALID_SOP_INSTANCE = 0x0117  # PS3.7 C.5.6
    SOP_CLASS_NOT_SUPPORTED = 0x0122  # PS3.7 C.5.6 and 9.1.1.1.9
    OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3, A7xx: the sender may try again later
    SOP_CLASS_MISMATCH = 0xA900  # PS3.4 B.2.3, A9xx: data set does not match SOP Class
    # PS3.4 B.2.3, Cxxx: cannot understand; never will
    NOT_PARSABLE = 0xC001
    TRUNCATED = 0xC002  # ends within an element, a sequence or a compressed stream
    PIXELS_TRUNCATED = 0xC003  # Pixel Data shorter than Rows and Columns say
    UID_MISSING = 0xC004  # no SOP Class, SOP Instance or Study Instance UID
    UID_INVALID = 0xC005  # Study or Series Instance UID
    PART_10_FILE = 0xC006  # a file with preamble and file meta information, not a data set
    WRONG_ENCODING = 0xC007  # implicit VR where explicit was agreed
    EMPTY = 0xC008
    INFLATES_TOO_FAR = 0xC009  # a compression bomb
    NESTED_TOO_DEEP = 0xC00A
    TOO_MANY_ELEMENTS = 0xC00B
    TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122  # PS3.18 Table I.2-2; by C-STORE none is negotiated
    INTERNAL = 0xC0FF  # a bug here; its traceback is in the log

    def __str__(self) -> str:
        """Return `0xNNNN`, as the log and the conformance statement write it."""
        return f"0x{self:04X}"


def is_success(status: int) -> bool:
    """Tell whether a C-STORE status means that the object is stored: success, or a warning (Bxxx)."""
    return status == Status.SUCCESS or status >> 12 == 0xB


class Refuse(Exception):  # noqa: N818 - an outcome, not an error of the program
    """The image is refused: the sender receives `status` and, as Error Comment, `reason`."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    @property
    def error_comment(self) -> str:
        """The reason, cut to `MAX_ERROR_COMMENT` characters."""
        return self.reason[:MAX_ERROR_COMMENT]

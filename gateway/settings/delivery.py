"""The section `delivery`: retries, and what follows a rejection or a reader's word."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.settings.section import Section


class ReaderReports(Section):
    """The SR in which a reader judges an answer."""

    organisation: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] | None = None
    """Organisation of the readers, for the SR; null: not stated."""
    role: (
        Literal["physician", "attending", "consultant", "registrar", "resident", "fellow", "technologist"]
        | None
    ) = None
    """Role of all readers in the organisation (PS3.16 CID 7452): physician, attending, consultant, registrar,
    resident, fellow or technologist; null: not stated."""


class Withdrawals(Section):
    """The message, or Bundle, that withdraws an answer."""

    result_status: Literal["X", "C"] = "X"
    """OBR-25 of the message, whose OBX-11 is W: X (no results available), or C (correction) for a receiver to
    which X cancels the order."""


class Delivery(Section):
    """Retries of an unreachable destination."""

    first_retry_seconds: float = Field(5, gt=0)
    """Seconds before the first retry; each further wait is longer."""
    longest_retry_seconds: float = Field(3600, gt=0)
    """Longest wait between two retries, in seconds."""
    give_up_after_hours: float = Field(72, gt=0, le=87_600)
    """Hours after which a delivery is given up, after ten attempts at least, or as many as half of the time
    has room for; the image then fails as not_delivered."""
    rejection_notes: bool = False
    """Where a rejection note withdraws an image, reject its SR and SC, too, at the destinations that have
    them, by a Key Object Selection of the same title."""
    withdrawals: Withdrawals | None = None
    """Where a rejection note withdraws an image, withdraw its answer, too, where its message or Bundle is, as
    {result_status: X}; {} has the default; null: not."""
    reader_reports: ReaderReports | None = None
    """Also send what readers say on the report page, as an SR of their own, to the destinations that have the
    gateway's SR, as {organisation: St. Elsewhere, role: physician}; {} states neither; null: none."""

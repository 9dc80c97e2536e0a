"""Settings of each kind of source: a PACS from which studies are fetched."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.settings.section import AETitle, ClientTLS, Host, Name, Section

TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Hours = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


class DicomSource(Section):
    """A PACS that is asked by C-FIND and sends by C-GET or C-MOVE."""

    name: Name
    """Name of the source, for commands and rows."""
    kind: Literal["dicom"]
    """C-FIND with C-GET or C-MOVE."""
    ae_title: AETitle
    """AE title of the PACS; routes find fetched images under it."""
    host: Host
    """Address or name of the PACS."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """TCP port of the PACS, 1 to 65535."""
    tls: ClientTLS | None = None
    """TLS towards the PACS, as {ca: FILE, certificate: FILE, key: FILE}; {} trusts the system's authorities;
    null: none."""
    retrieve: Literal["get", "move"] = "get"
    """get: the PACS sends over the gateway's own association (C-GET). move: the PACS sends to scp.port
    (C-MOVE); it must know scp.ae_title with this machine's address, and scp.peers must name the PACS."""
    timeout_seconds: float = Field(30, gt=0)
    """Seconds without progress after which a search ends."""
    retrieve_timeout_seconds: float = Field(600, gt=0)
    """Seconds without progress, and as a whole, after which a request to send ends."""
    arrival_seconds: float = Field(15, ge=0)
    """Seconds that images asked for by C-MOVE may come after the PACS has said that it is done."""
    studies_per_minute: float | None = Field(None, gt=0)
    """Most studies that are fetched in a minute; null: no limit."""
    attempts: int = Field(8, ge=1, le=100)
    """Attempts to fetch a study before it is given up, 1 to 100."""
    first_retry_seconds: float = Field(60, gt=0)
    """Seconds before a study with missing images is asked for again; each further wait is twice as long, at
    most six hours."""


Source = DicomSource


def minutes_of(hours: str) -> tuple[int, int]:
    """Return begin and end of `HH:MM-HH:MM` in minutes of the day."""
    begin, end = ([int(part) for part in re.split(":", each)] for each in hours.split("-"))
    return begin[0] * 60 + begin[1], end[0] * 60 + end[1]

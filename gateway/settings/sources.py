"""Settings of each kind of source: a PACS from which studies are fetched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.settings.section import AETitle, ClientTLS, Host, Name, Section
from gateway.settings.web_server import WebServer

TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Hours = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


class Schedule(Section):
    """When a source is searched by the role `pull`. Windows overlap: a study may be found by any of them."""

    recent_hours: float = Field(2, gt=0, le=48)
    """Hours back from now that are searched most often."""
    recent_every_seconds: float = Field(60, ge=1)
    """Seconds between two searches of the last `recent_hours`."""
    overlap_days: float = Field(3, gt=0, le=366)
    """Days back from now that are searched less often, for studies that come late."""
    overlap_every_minutes: float = Field(60, gt=0)
    """Minutes between two searches of the last `overlap_days`."""
    sweep_days: float = Field(30, gt=0, le=3660)
    """Days back from now that are searched once a day, for studies with a wrong clock or without a time."""
    sweep_at: TimeOfDay = "02:00"
    """Local time of the daily search, HH:MM."""
    quiet_hours: tuple[Hours, ...] = ()
    """Hours, local time, in which nothing is searched or fetched by schedule, as ["07:00-18:00"]."""


class SourceRules(Section):
    """Settings that sources of every kind have."""

    schedule: Schedule | None = None
    """Search and fetch by schedule, as {recent_hours: 2, sweep_at: "02:00", quiet_hours: []}; {} takes the
    defaults of gateway/settings/sources.py; null: `gateway pull` alone."""
    studies_per_minute: float | None = Field(None, gt=0)
    """Most studies that are fetched in a minute; null: no limit."""
    attempts: int = Field(8, ge=1, le=100)
    """Attempts to fetch a study before it is given up, 1 to 100."""
    first_retry_seconds: float = Field(60, gt=0)
    """Seconds before a study with missing images is asked for again; each further wait is twice as long, at
    most six hours."""


class DicomSource(SourceRules):
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


class WebSource(SourceRules, WebServer):
    """A DICOMweb server that is asked by QIDO-RS and gives by WADO-RS (PS3.18 10.6, 10.4)."""

    name: Name
    """Name of the source, for commands and rows."""
    kind: Literal["dicomweb"]
    """QIDO-RS with WADO-RS."""
    ae_title: AETitle = "WADO-RS"
    """Calling AE title, for `routes`, of images that come from this server."""
    retrieve_timeout_seconds: float = Field(600, gt=0)
    """Seconds for one image as a whole."""


Source = Annotated[DicomSource | WebSource, Field(discriminator="kind")]

"""The section `audit`: the audit trail, and the repository that takes it by syslog."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.section import ClientTLS, Host, Section


class Syslog(ClientTLS):
    """An audit record repository that takes syslog over TLS (RFC 5425, PS3.15 A.6)."""

    host: Host
    """Address or name of the audit record repository."""
    port: Annotated[int, Field(ge=1, le=65535)] = 6514
    """TCP port, 1 to 65535."""
    timeout_seconds: float = Field(10, gt=0)
    """Seconds for connecting and for each message."""


class Audit(Section):
    """The audit trail in `<data_dir>/audit`, which is always written."""

    source_id: str | None = None
    """Audit source ID of the gateway; null: scp.ae_title."""
    site_id: str | None = None
    """Audit enterprise site ID; null: none."""
    keep_days: float | None = Field(None, gt=0)
    """Days that audit files are kept; null: for ever, as the law decides. Files that the collector lacks
    stay."""
    syslog: Syslog | None = None
    """Audit record repository, as {host: 10.1.2.5, port: 6514, ca: FILE, certificate: FILE, key: FILE}; null:
    files alone."""

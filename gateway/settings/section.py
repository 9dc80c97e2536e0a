"""A section of the settings, and the types and sections that several others use."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

AETitle = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")
]
MAX_NAME = 64
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME),
    AfterValidator(lambda name: _printable(name)),
]
Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(lambda host: _host(host))
]


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must be printable, on one line")
    return name


def _host(host: str) -> str:
    """Return a host name or an address; a URL or HOST:PORT is neither."""
    try:
        ip_address(host)
    except ValueError:
        if re.search(r"[\s/@:\[\]?#,]", host):
            raise ValueError("must be a host name or an address alone, as 10.1.2.3") from None
    return host


class Section(BaseModel):
    """A part of the settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TLS(Section):
    """Files for TLS on the DICOM port (PS3.15 B.12); `ca` turns on mutual authentication."""

    certificate: Path
    """Certificate of the gateway and its chain, a PEM file."""
    key: Path
    """Private key of the certificate, a PEM file."""
    ca: Path | None = None
    """Authorities (PEM) that must have issued the client's certificate; null: clients need none."""


class ClientTLS(Section):
    """Files for TLS towards a server: whom to trust (null: what the system trusts), and who we are."""

    ca: Path | None = None
    """Authorities to trust, a PEM file; null: those of the system."""
    certificate: Path | None = None
    """Certificate that the gateway shows, a PEM file; null: none."""
    key: Path | None = None
    """Private key of the certificate, a PEM file."""

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("state both certificate and key, or neither")
        return self

"""Settings of each kind of destination."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, SecretStr, StringConstraints, model_validator

from gateway.settings.section import AETitle, ClientTLS, Host, Name, Section


class FolderDestination(Section):
    """Results as files: `<StudyInstanceUID>/<SOPInstanceUID>.dcm`."""

    name: Name
    """Name of the destination, for routes, commands and pages."""
    kind: Literal["folder"]
    """Results as files."""
    path: Path
    """Folder for results; relative paths are under data_dir."""


class DicomDestination(Section):
    """A PACS that takes results by C-STORE."""

    name: Name
    """Name of the destination, for routes, commands and pages."""
    kind: Literal["dicom"]
    """C-STORE to a PACS."""
    ae_title: AETitle
    """AE title of the PACS."""
    host: Host
    """Address or name of the PACS."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """TCP port of the PACS, 1 to 65535."""
    tls: ClientTLS | None = None
    """TLS towards the PACS, as {ca: FILE, certificate: FILE, key: FILE}; {} trusts the system's authorities;
    null: none."""
    timeout_seconds: float = Field(30, gt=0)
    """Seconds without progress, and for each answer, after which an attempt ends."""
    storage_commitment: bool = False
    """Ask for storage commitment: an image is delivered when the PACS has committed its results. The PACS may
    call back."""
    commitment_timeout_seconds: float = Field(300, gt=0)
    """Seconds without a commitment report after which the PACS is asked again."""


class StowDestination(Section):
    """A DICOMweb server that takes results by STOW-RS (PS3.18 10.5).

    A secret that is not stated is looked for in the environment: `GATEWAY_<NAME>_PASSWORD` and
    `GATEWAY_<NAME>_BEARER_TOKEN`, the name in capitals and with `_` for everything but letters and digits.
    Only workers need it: `gateway list` and its like run without.
    """

    name: Name
    """Name of the destination, for routes, commands and pages."""
    kind: Literal["stow"]
    """STOW-RS to a DICOMweb server."""
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]
    """Base URL of the DICOMweb service, http or https."""
    username: str | None = None
    """User of HTTP Basic authentication; null: none."""
    password: SecretStr | None = None
    """Password of the user; better in the environment, as GATEWAY_<NAME>_PASSWORD."""
    bearer_token: SecretStr | None = None
    """Bearer token; better in the environment, as GATEWAY_<NAME>_BEARER_TOKEN."""
    ca: Path | None = None
    """Authorities to trust, a PEM file; null: those of the system."""
    certificate: Path | None = None
    """Certificate that the gateway shows the server, a PEM file; null: none."""
    key: Path | None = None
    """Private key of the certificate, a PEM file."""
    timeout_seconds: float = Field(30, gt=0)
    """Seconds without progress, and for each answer, after which an attempt ends."""

    @model_validator(mode="before")
    @classmethod
    def _secrets_of_the_environment(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        variables = secret_variables(str(values.get("name", "")))
        secrets = {key: os.environ.get(variable) for key, variable in variables.items()}
        return {key: secret for key, secret in secrets.items() if secret} | values

    @model_validator(mode="after")
    def _one_way_to_authenticate(self) -> Self:
        if self.password and not self.username:
            raise ValueError("state the username that the password belongs to")
        if self.username and self.bearer_token:
            raise ValueError("state a username or a bearer_token, not both")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("state both certificate and key, or neither")
        return self


class HL7Destination(Section):
    """A RIS, EHR or interface engine that takes HL7 v2 messages over MLLP; `results.hl7` writes them."""

    name: Name
    """Name of the destination, for routes, commands and pages."""
    kind: Literal["hl7"]
    """HL7 v2 over MLLP."""
    host: Host
    """Address or name of the receiver."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """TCP port of the receiver, 1 to 65535."""
    tls: ClientTLS | None = None
    """TLS towards the receiver, as {ca: FILE, certificate: FILE, key: FILE}; {} trusts the system's
    authorities; null: none."""
    timeout_seconds: float = Field(30, gt=0)
    """Seconds without progress, and for each acknowledgement, after which an attempt ends."""
    on_error: Literal["later", "never"] = "later"
    """Meaning of the acknowledgements AE and CE: later (the message is sent again), or never (it is given
    up at once, as after AR and CR)."""


def secret_variables(name: str) -> dict[str, str]:
    """Return the environment variable of each secret of the STOW-RS destination of this name."""
    prefix = "GATEWAY_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
    return {key: f"{prefix}_{key.upper()}" for key in ("password", "bearer_token")}


Destination = Annotated[
    FolderDestination | DicomDestination | StowDestination | HL7Destination, Field(discriminator="kind")
]
_TYPES: tuple[type[Section], ...] = get_args(get_args(Destination)[0])
DESTINATION_KINDS = tuple(get_args(each.model_fields["kind"].annotation)[0] for each in _TYPES)
"""The values of `kind`, in the order of the union."""

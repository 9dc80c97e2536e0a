"""Settings of each kind of destination."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from gateway.settings.section import AETitle, ClientTLS, Host, Name, Section
from gateway.settings.web_server import URL, WebServer


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
    """Seconds without a commitment report after which the PACS is asked again; doubled with each request that
    it takes, up to a day, as some archives commit at night. The last wait ends with
    delivery.give_up_after_hours."""


class StowDestination(WebServer):
    """A DICOMweb server that takes results by STOW-RS (PS3.18 10.5)."""

    name: Name
    """Name of the destination, for routes, commands and pages."""
    kind: Literal["stow"]
    """STOW-RS to a DICOMweb server."""


class FHIRDestination(WebServer):
    """An EHR or a repository that takes FHIR R4 transactions; `results.fhir` writes them."""

    name: Name
    """Name of the destination, for routes, commands and pages."""
    kind: Literal["fhir"]
    """FHIR R4 transactions."""
    token_url: URL | None = None
    """Token endpoint of OAuth 2.0 client credentials (SMART Backend Services); null: none."""
    client_id: str | None = None
    """Client at the token endpoint."""
    client_secret: SecretStr | None = None
    """Secret of the client; better in the environment, as GATEWAY_<NAME>_CLIENT_SECRET."""
    client_key: Path | None = None
    """Private key that signs the client's assertions (private_key_jwt) instead of a secret, a PEM file: RSA,
    or EC of the curve P-384."""
    client_key_id: str | None = None
    """Key ID (kid) by which the token endpoint finds the public key."""
    scope: str | None = None
    """Scope that is asked for, as `system/DiagnosticReport.cu`; null: that of the client."""

    @model_validator(mode="after")
    def _whole_client(self) -> Self:
        if self.token_url is None:
            if self.client_id or self.client_secret or self.client_key:
                raise ValueError("state the token_url that the client belongs to")
            return self
        if not self.client_id:
            raise ValueError("state the client_id for the token_url")
        if (self.client_secret is None) == (self.client_key is None):
            raise ValueError("state client_secret or client_key, and not both")
        if self.username or self.bearer_token:
            raise ValueError("state a token_url, a username or a bearer_token, not two of them")
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


Destination = Annotated[
    FolderDestination | DicomDestination | StowDestination | HL7Destination | FHIRDestination,
    Field(discriminator="kind"),
]

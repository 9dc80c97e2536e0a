"""The section `web`: pages, API and their users."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, IPvAnyNetwork, StringConstraints, field_validator

from gateway.settings.section import TLS, AETitle, Host, Name, Port, Section
from gateway.settings.viewer_url import ViewerURL

Role = Literal["viewer", "reader", "administrator"]


def _off(value: Any) -> Any:
    """Take the words of YAML 1.1 for false as every other switch does."""
    return False if isinstance(value, str) and value.lower() in ("no", "off", "false") else value


class User(Section):
    """Somebody who may sign in; `password` is what `gateway hash-password` prints."""

    name: Name
    """Name at the sign-in page and in the audit trail."""
    password: Annotated[str, StringConstraints(pattern=r"^scrypt\$\d+\$[0-9a-f]{32,}\$[0-9a-f]{64,}$")]
    """Hash that `gateway hash-password` prints."""
    roles: tuple[Role, ...] = ("reader", "administrator")
    """Permissions: viewer looks; reader also gives feedback, uploads and downloads; administrator
    also retries and sends again."""

    @field_validator("roles", mode="before")
    @classmethod
    def _one_role_or_several(cls, roles: Any) -> Any:
        return (roles,) if isinstance(roles, str) else roles

    @field_validator("roles")
    @classmethod
    def _not_without_any(cls, roles: tuple[Role, ...]) -> tuple[Role, ...]:
        if not roles:
            raise ValueError("must name a role: viewer, reader or administrator")
        return roles


class Web(Section):
    """The web application. With neither token nor users nobody signs in, and only loopback is served."""

    enabled: bool = True
    """Start the web role with `gateway serve`."""
    bind: Host = "127.0.0.1"
    """Address to listen on; any address but loopback needs `token` or `users`."""
    port: Port = 8080
    """TCP port, 0 to 65535; 0 takes any free port."""
    token: str | None = Field(None, min_length=16)
    """Secret of at least 16 characters, for `Authorization: Bearer` and the sign-in page; null: none."""
    users: tuple[User, ...] = ()
    """Users, as {name: radiologist, password: HASH, roles: [reader]}; `gateway hash-password` prints the
    hash. viewer looks; reader also gives feedback, uploads and downloads; administrator looks, retries and
    sends again. Without roles a user is reader and administrator."""
    show_patient: Annotated[Literal[False, "signed-in"], BeforeValidator(_off)] = False
    """Show name, ID, accession number, sex and age of patients on worklist and report: false, or signed-in
    for users with a password. The database then holds them until the image's file is deleted."""
    time_zone: str | None = None
    """Time zone of the pages, as Europe/Berlin; null: that of the gateway's machine."""
    session_hours: float = Field(12, gt=0, le=24 * 30)
    """Hours after which a reader signs in again, up to 720."""
    tls: TLS | None = None
    """TLS for pages and API, as {certificate: FILE, key: FILE, ca: FILE}; null: none. `ca` demands
    certificates of browsers."""
    max_upload_mb: int = Field(256, ge=1)
    """Largest request to /predict or /dicomweb/studies, in MB."""
    predictions_per_minute: int = Field(60, ge=1)
    """Requests to /predict per minute and client; beyond it they are answered 429."""
    cache_mb: int = Field(2048, ge=1)
    """Size in MB of the pictures kept for pages; beyond it the least recently used are deleted."""
    stow_ae_title: AETitle = "STOW-RS"
    """Calling AE title, for `routes`, of images that arrive by STOW-RS."""
    late_after_seconds: float = Field(300, gt=0)
    """Seconds an image may wait for its answer before /health/ready fails."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    viewer_url: ViewerURL | None = None
    """Address of an image in the site's PACS viewer, for a link on the report, as
    "https://pacs.example/viewer?StudyInstanceUIDs={study_instance_uid}"; it may also hold
    {series_instance_uid} and {sop_instance_uid}; null: no link."""
    public_upload: bool = False
    """Serve upload, /docs and health to everybody, and nothing that was received."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError("must be a time zone of this machine, as Europe/Berlin or UTC")
        return name

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone of the pages; None: the machine's own."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

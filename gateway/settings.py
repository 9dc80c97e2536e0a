"""Every setting, with its type, its bounds and its default; `settings_file` reads them."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

AETitle = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")
]
MAX_NAME = 64
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME)]
Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Section(BaseModel):
    """A part of the settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Peer(Section):
    """A DICOM node that may send: both its AE title and its address must match."""

    ae_title: AETitle
    host: Host


class TLS(Section):
    """Files for TLS on the DICOM port (PS3.15 B.12); `ca` turns on mutual authentication."""

    certificate: Path
    key: Path
    ca: Path | None = None


class ClientTLS(Section):
    """Files for TLS towards a server: whom to trust (null: what the system trusts), and who we are."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("state both certificate and key, or neither")
        return self


class SCP(Section):
    """The DICOM listener."""

    ae_title: AETitle = "CXR_GATEWAY"
    bind: Host = "127.0.0.1"
    port: Port = 11112
    max_associations: int = Field(50, ge=1, le=1000)
    max_associations_per_peer: int = Field(20, ge=1, le=1000)
    peers: tuple[Peer, ...] = ()
    tls: TLS | None = None
    idle_timeout_seconds: float = Field(300, gt=0)
    message_timeout_seconds: float = Field(60, gt=0)
    min_free_disk_mb: int = Field(512, ge=0)
    reject_below_disk_mb: int = Field(128, ge=0)
    max_queued_images: int = Field(10_000, ge=1)
    max_memory_mb: int = Field(192, ge=1)


class Selection(Section):
    """Which images are eligible, beyond the frontal-chest rules."""

    secondary_capture: bool = False
    min_age_years: float | None = Field(1, ge=0)
    max_age_years: float | None = Field(None, ge=0)
    max_megapixels: float = Field(100, gt=0, le=1000)


class Model(Section):
    """The classifier; null means what the model's own card says."""

    path: Path | None = None
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: int | None = Field(None, ge=1)
    batch_size: int = Field(32, ge=1, le=1024)
    threshold: float | None = Field(None, ge=0, le=1)


class Results(Section):
    """Which result objects are written."""

    sr: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"
    secondary_capture: bool = True


class FolderDestination(Section):
    """Results as files: `<StudyInstanceUID>/<SOPInstanceUID>.dcm`."""

    name: Name
    kind: Literal["folder"]
    path: Path


class DicomDestination(Section):
    """A PACS that takes results by C-STORE."""

    name: Name
    kind: Literal["dicom"]
    ae_title: AETitle
    host: Host
    port: Annotated[int, Field(ge=1, le=65535)]
    tls: ClientTLS | None = None
    timeout_seconds: float = Field(30, gt=0)
    storage_commitment: bool = False
    commitment_timeout_seconds: float = Field(300, gt=0)


class StowDestination(Section):
    """A DICOMweb server that takes results by STOW-RS (PS3.18 10.5).

    A secret that is not stated is looked for in the environment: `GATEWAY_<NAME>_PASSWORD` and
    `GATEWAY_<NAME>_BEARER_TOKEN`, the name in capitals and with `_` for everything but letters and digits.
    Only workers need it: `gateway list` and its like run without.
    """

    name: Name
    kind: Literal["stow"]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]
    username: str | None = None
    password: SecretStr | None = None
    bearer_token: SecretStr | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    timeout_seconds: float = Field(30, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _secrets_of_the_environment(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        prefix = "GATEWAY_" + re.sub(r"[^A-Z0-9]", "_", str(values.get("name", "")).upper())
        secrets = {key: os.environ.get(f"{prefix}_{key.upper()}") for key in ("password", "bearer_token")}
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


Destination = Annotated[FolderDestination | DicomDestination | StowDestination, Field(discriminator="kind")]


class Route(Section):
    """Images from a calling AE title (`*` and `?` are wildcards) go to these destinations."""

    calling_ae_title: str
    to: tuple[str, ...]


class Delivery(Section):
    """How long an unreachable destination is tried."""

    first_retry_seconds: float = Field(5, gt=0)
    longest_retry_seconds: float = Field(3600, gt=0)
    give_up_after_hours: float = Field(72, gt=0, le=87_600)


class Retention(Section):
    """For how many days after its end the files of an image are kept; null keeps them."""

    received_days: float | None = Field(30, ge=0)
    results_days: float | None = Field(30, ge=0)
    failed_days: float | None = Field(90, ge=0)
    max_disk_gb: float | None = Field(None, ge=0)
    every_minutes: float = Field(10, gt=0)


class Log(Section):
    """When `log/gateway.jsonl` makes room: it and `keep_files` older ones are the most that there is."""

    file_mb: float = Field(64, gt=0)
    keep_files: int = Field(15, ge=0)
    keep_days: float | None = Field(90, gt=0)


class Syslog(ClientTLS):
    """An audit record repository that takes syslog over TLS (RFC 5425, PS3.15 A.6)."""

    host: Host
    port: Annotated[int, Field(ge=1, le=65535)] = 6514
    timeout_seconds: float = Field(10, gt=0)


class Audit(Section):
    """The audit trail in `<data_dir>/audit`, which is always written."""

    source_id: str | None = None
    site_id: str | None = None
    keep_days: float | None = Field(None, gt=0)
    syslog: Syslog | None = None


class User(Section):
    """Somebody who may sign in; `password` is what `gateway hash-password` prints."""

    name: Name
    password: Annotated[str, StringConstraints(pattern=r"^scrypt\$\d+\$[0-9a-f]{32,}\$[0-9a-f]{64,}$")]


class Web(Section):
    """The web application. With neither token nor users nobody signs in, and only loopback is served."""

    enabled: bool = True
    bind: Host = "127.0.0.1"
    port: Port = 8080
    token: str | None = Field(None, min_length=16)
    users: tuple[User, ...] = ()
    session_hours: float = Field(12, gt=0, le=24 * 30)
    tls: TLS | None = None
    max_upload_mb: int = Field(256, ge=1)
    predictions_per_minute: int = Field(60, ge=1)
    cache_mb: int = Field(2048, ge=1)
    stow_ae_title: AETitle = "STOW-RS"
    late_after_seconds: float = Field(300, gt=0)
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    public_upload: bool = False


class Settings(BaseSettings):
    """All settings of one gateway; `data_dir` is absolute after loading, and so is every path."""

    model_config = SettingsConfigDict(
        frozen=True,
        allow_inf_nan=False,
        extra="forbid",
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Path("var")
    database: str = "sqlite"
    scp: SCP = SCP()
    select: Selection = Selection()
    model: Model = Model()
    results: Results = Results()
    destinations: tuple[Destination, ...] = (
        FolderDestination(name="outbox", kind="folder", path=Path("outbox")),
    )
    routes: tuple[Route, ...] = (Route(calling_ae_title="*", to=("outbox",)),)
    delivery: Delivery = Delivery()
    retention: Retention = Retention()
    log: Log = Log()
    audit: Audit = Audit()
    web: Web = Web()
    workers: int = Field(1, ge=1, le=64)
    shutdown_seconds: float = Field(30, gt=0)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        if problems := self.problems_across():
            raise ValueError("\n".join(problems))
        return self

    def problems_across(self) -> list[str]:
        """Return in what the sections do not fit together, each as `key: sentence`."""
        return [
            *self._route_problems(),
            *self._exposure_problems(),
            *self._database_problems(),
            *self._age_problems(),
            *self._port_problems(),
        ]

    def _route_problems(self) -> list[str]:
        names = [destination.name for destination in self.destinations]
        repeated = sorted({name for name in names if names.count(name) > 1})
        problems = [f"destinations: the name {name!r} is used more than once" for name in repeated]
        for number, route in enumerate(self.routes):
            unknown = sorted(set(route.to) - set(names))
            told = ", ".join(names) or "none"
            problems += [
                f"routes.{number}.to: no destination is named {name!r}; there are: {told}" for name in unknown
            ]
            twice = sorted({name for name in route.to if route.to.count(name) > 1})
            problems += [f"routes.{number}.to: {name!r} is named more than once" for name in twice]
        return problems

    def _exposure_problems(self) -> list[str]:
        problems = []
        if not _is_loopback(self.scp.bind) and not self.scp.peers:
            problems.append(f"scp.peers: list who may send, since scp.bind {self.scp.bind} is not loopback")
        if not (_is_loopback(self.web.bind) or self.web.token or self.web.users or self.web.public_upload):
            problems.append(f"web.token: set one, since web.bind {self.web.bind} is not loopback")
        return problems

    def _database_problems(self) -> list[str]:
        if self.database == "sqlite" or _is_postgresql(self.database):
            return []
        if self.database.count("@") > 1:
            return ["database: write an @ within the user's name or password as %40"]
        return ["database: must be sqlite or postgresql://USER:PASSWORD@HOST:PORT/NAME"]

    def _age_problems(self) -> list[str]:
        low, high = self.select.min_age_years, self.select.max_age_years
        if low is None or high is None or low <= high:
            return []
        return [f"select.min_age_years: {low:g} is more than select.max_age_years, {high:g}"]

    def _port_problems(self) -> list[str]:
        binds = {self.scp.bind, self.web.bind}
        if not self.web.enabled or self.scp.port != self.web.port or not self.web.port:
            return []
        if len(binds) > 1 and not binds & _EVERY_ADDRESS:
            return []
        return [f"web.port: {self.web.port} is scp.port, too; each needs its own"]

    @cached_property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the ledger."""
        if self.database == "sqlite":
            return f"sqlite:///{self.data_dir / 'gateway.sqlite'}"
        return self.database.replace("postgresql://", "postgresql+psycopg://", 1)

    def destinations_for(self, calling_ae_title: str) -> tuple[str, ...]:
        """Return the destinations of the first route that matches, or none."""
        for route in self.routes:
            if fnmatchcase(calling_ae_title, route.calling_ae_title.replace("[", "[[]")):
                return route.to
        return ()


_EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def _is_postgresql(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "postgresql" and parts.port != 0 and parts.netloc.count("@") < 2
    except ValueError:  # the port is no number
        return False


def _is_loopback(bind: str) -> bool:
    if bind == "localhost":
        return True
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return False

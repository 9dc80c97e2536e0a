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

from gateway.files.data_directory import DataDirectory

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
    """Calling AE title of the peer."""
    host: Host
    """Address or name of the peer."""


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


class SCP(Section):
    """The DICOM listener."""

    ae_title: AETitle = "CXR_GATEWAY"
    """AE title of the gateway, 1 to 16 characters; other called AE titles are rejected."""
    bind: Host = "127.0.0.1"
    """Address to listen on; any address but loopback needs `peers`."""
    port: Port = 11112
    """TCP port, 0 to 65535; 0 takes any free port."""
    max_associations: int = Field(50, ge=1, le=1000)
    """Associations at the same time, 1 to 1000."""
    max_associations_per_peer: int = Field(20, ge=1, le=1000)
    """Associations at the same time from one address, 1 to 1000."""
    peers: tuple[Peer, ...] = ()
    """Nodes that may send, as {ae_title: MODALITY1, host: 10.1.2.3}; empty: any node on loopback."""
    tls: TLS | None = None
    """TLS for every association, as {certificate: FILE, key: FILE, ca: FILE}; null: none. `ca` demands
    certificates of senders."""
    idle_timeout_seconds: float = Field(300, gt=0)
    """Seconds of silence between two messages before the association is aborted; modalities hold an
    association for an examination."""
    message_timeout_seconds: float = Field(60, gt=0)
    """Seconds of silence within a message, and for one PDU as a whole, before the association is aborted."""
    min_free_disk_mb: int = Field(512, ge=0)
    """Free space on data_dir in MB below which C-STORE is answered A700 (out of resources)."""
    reject_below_disk_mb: int = Field(128, ge=0)
    """Free space on data_dir in MB below which associations are rejected."""
    max_queued_images: int = Field(10_000, ge=1)
    """Images without an answer beyond which C-STORE is answered A700."""
    max_memory_mb: int = Field(192, ge=1)
    """MB of images that are being received, written to data_dir as they come; beyond it the network waits."""


class Selection(Section):
    """Which images are eligible, beyond the frontal-chest rules."""

    secondary_capture: bool = False
    """Also answer radiographs that were converted to Secondary Capture."""
    min_age_years: float | None = Field(1, ge=0)
    """Youngest patient in years; null: no limit. The shipped model never saw a younger patient."""
    max_age_years: float | None = Field(None, ge=0)
    """Oldest patient in years; null: no limit."""
    max_megapixels: float = Field(100, gt=0, le=1000)
    """Largest image in megapixels, up to 1000; larger images fail as too_large, undecoded. The memory of
    processes that decode depends on it."""


class Model(Section):
    """The classifier; null means what the model's own card says."""

    path: Path | None = None
    """The model's card, its folder, or a torchvision state_dict (.pth); null: the shipped model."""
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    """Device of the forward pass: auto, cpu, cuda, or cuda:N."""
    threads: int | None = Field(None, ge=1)
    """CPU threads of a forward pass; null: one for each core."""
    batch_size: int = Field(32, ge=1, le=1024)
    """Most images in a forward pass, 1 to 1024."""
    threshold: float | None = Field(None, ge=0, le=1)
    """Probability of pneumonia, 0 to 1, from which the answer is Pneumonia; null: the threshold of the model
    card."""


class Results(Section):
    """Which result objects are written."""

    sr: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"
    """SOP class of the report: comprehensive-3d, or comprehensive for a PACS that refuses Comprehensive 3D
    SR."""
    secondary_capture: bool = True
    """Also write a Secondary Capture."""


class Worker(Section):
    """How a worker uses the processor."""

    sandboxes: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Processes of each worker that decode images and encode results, 1 to 256; auto: half of the cores,
    shared among the workers."""


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
    """Pattern of the calling AE title; * and ? are wildcards."""
    to: tuple[str, ...]
    """Names of the destinations."""


class Delivery(Section):
    """How long an unreachable destination is tried."""

    first_retry_seconds: float = Field(5, gt=0)
    """Seconds before the first retry; each further wait is longer."""
    longest_retry_seconds: float = Field(3600, gt=0)
    """Longest wait between two retries, in seconds."""
    give_up_after_hours: float = Field(72, gt=0, le=87_600)
    """Hours after which a delivery is given up, after ten attempts at least; the image then fails as
    not_delivered."""


class Retention(Section):
    """For how many days after its end the files of an image are kept; null keeps them."""

    received_days: float | None = Field(30, ge=0)
    """Days that received images are kept after their results were delivered or no answer was due; null: for
    ever."""
    results_days: float | None = Field(30, ge=0)
    """Days that SR and SC are kept after their delivery; null: for ever."""
    failed_days: float | None = Field(90, ge=0)
    """Days that files of failed images are kept; null: for ever. Images that ended as not_routed stay."""
    max_disk_gb: float | None = Field(None, ge=0)
    """Size of all kept files in GB beyond which the files of the oldest finished images are deleted, whatever
    their age; files of failed images stay. null: no limit."""
    every_minutes: float = Field(10, gt=0)
    """Minutes between two runs of retention."""


class Log(Section):
    """When `log/gateway.jsonl` makes room: it and `keep_files` older ones are the most that there is."""

    file_mb: float = Field(64, gt=0)
    """Size in MB at which the log file is renamed; a file is also renamed after a day."""
    keep_files: int = Field(15, ge=0)
    """Number of renamed files that are kept."""
    keep_days: float | None = Field(90, gt=0)
    """Days that renamed files are kept; null: however old."""


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


class User(Section):
    """Somebody who may sign in; `password` is what `gateway hash-password` prints."""

    name: Name
    """Name at the sign-in page and in the audit trail."""
    password: Annotated[str, StringConstraints(pattern=r"^scrypt\$\d+\$[0-9a-f]{32,}\$[0-9a-f]{64,}$")]
    """Hash that `gateway hash-password` prints."""


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
    """Readers, as {name: radiologist, password: HASH}; `gateway hash-password` prints the hash."""
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
    public_upload: bool = False
    """Serve upload, /docs and health to everybody, and nothing that was received."""


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
    """Folder of everything that the gateway keeps; relative paths of this file are under it. It is itself
    relative to this file's folder, or to the folder above a folder called config."""
    database: str = "sqlite"
    """Database of the ledger: sqlite, or postgresql://USER:PASSWORD@HOST:5432/NAME for several machines."""
    scp: SCP = SCP()
    """The DICOM listener."""
    select: Selection = Selection()
    """Eligibility; frontal chest radiographs (CR, DX) are always eligible."""
    model: Model = Model()
    """The classifier."""
    results: Results = Results()
    """Result objects."""
    destinations: tuple[Destination, ...] = (
        FolderDestination(name="outbox", kind="folder", path=Path("outbox")),
    )
    """Destinations of results; each has its own queue, and none waits for another."""
    routes: tuple[Route, ...] = (Route(calling_ae_title="*", to=("outbox",)),)
    """Destinations by calling AE title; the first route that matches counts."""
    delivery: Delivery = Delivery()
    """Retries; an unreachable destination is tried again, ever more slowly."""
    retention: Retention = Retention()
    """Deletion of files whose work is done; rows stay."""
    log: Log = Log()
    """The log, log/gateway.jsonl."""
    audit: Audit = Audit()
    """The audit trail in audit/, which is always written and names patients."""
    web: Web = Web()
    """Worklist, reports and API."""
    worker: Worker = Worker()
    """Each worker process."""
    workers: int = Field(1, ge=1, le=64)
    """Worker processes of `gateway serve`, 1 to 64."""
    shutdown_seconds: float = Field(30, gt=0)
    """Seconds that SIGTERM waits for work in hand."""

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

    @property
    def directory(self) -> DataDirectory:
        """The folders and files below `data_dir`."""
        return DataDirectory(self.data_dir)

    @cached_property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the ledger."""
        if self.database == "sqlite":
            return f"sqlite:///{self.directory.database}"
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

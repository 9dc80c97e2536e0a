"""Every setting, with its type, its bounds and its default; `settings_file` reads them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    Field,
    IPvAnyNetwork,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.files.data_directory import DataDirectory, this_boot
from gateway.records import FONTS
from gateway.settings.across import problems_across
from gateway.settings.database import with_hosts_as_parameters
from gateway.settings.destinations import (
    DESTINATION_KINDS,
    Destination,
    DicomDestination,
    FHIRDestination,
    FolderDestination,
    HL7Destination,
    StowDestination,
)
from gateway.settings.messages import FHIRBundle, HL7Message
from gateway.settings.model import Model
from gateway.settings.routes import Route
from gateway.settings.scp import SCP, Peer
from gateway.settings.section import MAX_NAME, TLS, AETitle, ClientTLS, Host, Name, Port, Section
from gateway.settings.sources import DicomSource, Schedule, Source, SourceRules, WebSource
from gateway.settings.store import FolderStore, S3Store, Store

__all__ = [
    "DESTINATION_KINDS",
    "MAX_NAME",
    "SCP",
    "TLS",
    "Audit",
    "ClientTLS",
    "Delivery",
    "Destination",
    "DicomDestination",
    "DicomSource",
    "FHIRBundle",
    "FHIRDestination",
    "FolderDestination",
    "FolderStore",
    "HL7Destination",
    "HL7Message",
    "Log",
    "Model",
    "Name",
    "Peer",
    "ReaderReports",
    "Results",
    "Retention",
    "Role",
    "Route",
    "S3Store",
    "Schedule",
    "Section",
    "Selection",
    "Settings",
    "Source",
    "SourceRules",
    "Store",
    "StowDestination",
    "Syslog",
    "User",
    "Web",
    "WebSource",
    "Worker",
]


class Selection(Section):
    """Eligibility beyond the frontal-chest rules."""

    secondary_capture: bool = False
    """Also answer radiographs that were converted to Secondary Capture."""
    min_age_years: float | None = Field(1, ge=0)
    """Youngest patient in years; null: no limit. The shipped model never saw a younger patient."""
    max_age_years: float | None = Field(None, ge=0)
    """Oldest patient in years; null: no limit."""
    max_megapixels: float = Field(100, gt=0, le=1000)
    """Largest image in megapixels, up to 1000; larger images fail as too_large, undecoded. The memory of
    processes that decode depends on it."""


class Results(Section):
    """Result objects."""

    sr: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"
    """SOP class of the report: comprehensive-3d, or comprehensive for a PACS that refuses Comprehensive 3D
    SR."""
    secondary_capture: bool = True
    """Also write a Secondary Capture."""
    compression: Literal["none", "jpeg-ls", "jpeg-2000", "rle"] = "none"
    """Lossless compression of the Secondary Capture: none, jpeg-ls, jpeg-2000 or rle; a PACS must take it."""
    lung_outline: bool = False
    """Draw the outline of the lungs that the model found, on the Secondary Capture and the report page."""
    hl7: HL7Message | None = None
    """Also write an HL7 message, for destinations of kind hl7, as {receiving_application: RIS, …}; {} has the
    defaults of `HL7Message`; null: none."""
    presentation_state: bool = False
    """Also write a Grayscale Softcopy Presentation State: the activation map as contours over the image."""
    fhir: FHIRBundle | None = None
    """Also write a FHIR Bundle, for destinations of kind fhir, as {patient_system: URI, accession_system:
    URI}; {} takes the systems from the image; null: none."""
    pdf: bool = False
    """Also write an Encapsulated PDF: one page with patient, answer, radiograph and activation map."""
    pdf_fonts: tuple[str, ...] = FONTS
    """Font files of the PDF (TrueType or OpenType), and folders that are searched for DejaVu Sans, Noto Sans
    and Droid Sans Fallback, in order of preference: each letter is of the first font that has it."""


class Worker(Section):
    """Use of the processor by a worker."""

    sandboxes: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Processes of each worker that decode images and encode results, 1 to 256; auto: half of the cores,
    shared among the workers."""


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


class Delivery(Section):
    """Retries of an unreachable destination."""

    first_retry_seconds: float = Field(5, gt=0)
    """Seconds before the first retry; each further wait is longer."""
    longest_retry_seconds: float = Field(3600, gt=0)
    """Longest wait between two retries, in seconds."""
    give_up_after_hours: float = Field(72, gt=0, le=87_600)
    """Hours after which a delivery is given up, after ten attempts at least; the image then fails as
    not_delivered."""
    rejection_notes: bool = False
    """Where a rejection note withdraws an image, reject its SR and SC, too, at the destinations that have
    them, by a Key Object Selection of the same title."""
    reader_reports: ReaderReports | None = None
    """Also send what readers say on the report page, as an SR of their own, to the destinations that have the
    gateway's SR, as {organisation: St. Elsewhere, role: physician}; {} states neither; null: none."""


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
    """Rotation of `log/gateway.jsonl`: at most this file and `keep_files` older ones exist."""

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


Role = Literal["viewer", "reader", "administrator"]


class User(Section):
    """Somebody who may sign in; `password` is what `gateway hash-password` prints."""

    name: Name
    """Name at the sign-in page and in the audit trail."""
    password: Annotated[str, StringConstraints(pattern=r"^scrypt\$\d+\$[0-9a-f]{32,}\$[0-9a-f]{64,}$")]
    """Hash that `gateway hash-password` prints."""
    roles: tuple[Role, ...] = ("reader", "administrator")
    """What the user may do: viewer looks; reader also gives feedback, uploads and downloads; administrator
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
    show_patient: Literal[False, "signed-in"] = False
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
    relative to this file's folder, or to the folder above a folder called config. Certificates, keys and
    models are found relative to that folder, too."""
    database: str = "sqlite"
    """Database of the ledger: sqlite, or postgresql://USER:PASSWORD@HOST:5432/NAME for several machines. A
    server and its standby are HOST:5432,HOST:5432; the gateway uses the one that takes writes."""
    store: Store = FolderStore()
    """Where images and results are kept: a folder, or an S3 bucket (kind: s3)."""
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
    """Destinations by calling AE title and by header (`when`); the first route that matches counts."""
    sources: tuple[Source, ...] = ()
    """PACSs from which `gateway pull` fetches studies."""
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
    """Seconds that SIGTERM waits for work in hand: associations that go on sending, images that are being
    answered, deliveries."""

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
        if problems := problems_across(self):
            raise ValueError("\n".join(problems))
        return self

    @property
    def directory(self) -> DataDirectory:
        """The folders and files below `data_dir`, and those of a store elsewhere."""
        if isinstance(self.store, S3Store):
            return DataDirectory(self.data_dir, DataDirectory(self.data_dir).objects / this_boot())
        return DataDirectory(self.data_dir, self.store.path)

    @property
    def patient_key(self) -> Path:
        """Key of the patients' pseudonyms: beside the images of all hosts; with a bucket, of this host."""
        folder = self.directory.run if isinstance(self.store, S3Store) else self.directory.kept
        return folder / "patient.key"

    @cached_property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the ledger."""
        if self.database == "sqlite":
            return f"sqlite:///{self.directory.database}"
        url = with_hosts_as_parameters(self.database)
        return url.replace("postgresql://", "postgresql+psycopg://", 1)

    def routes_from(self, calling_ae_title: str) -> tuple[Route, ...]:
        """Return the routes whose calling AE title fits, in order."""
        return tuple(route for route in self.routes if route.is_from(calling_ae_title))

    def destinations_for(self, calling_ae_title: str) -> tuple[str, ...]:
        """Return the destinations of an image that meets no route's condition, or none."""
        found = self.routes_from(calling_ae_title)
        return next((route.to for route in found if route.when is None), ())

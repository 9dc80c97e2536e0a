"""Every setting, with its type, its bounds, its default and its meaning.

`Settings` is the whole of `config/gateway.yaml`; a section's module has its name (`select`: selection.py).
The docstring under a field is its comment in that file. across.py checks what sections must agree on;
`gateway/configuration/` reads the file.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.files.data_directory import DataDirectory, this_boot
from gateway.settings.across import problems_across
from gateway.settings.audit import Audit, Syslog
from gateway.settings.database import with_hosts_as_parameters
from gateway.settings.delivery import Delivery, ReaderReports
from gateway.settings.destinations import (
    Destination,
    DicomDestination,
    FHIRDestination,
    FolderDestination,
    HL7Destination,
    StowDestination,
)
from gateway.settings.log import Log
from gateway.settings.messages import FHIRBundle, HL7Message
from gateway.settings.model import Model
from gateway.settings.results import Results
from gateway.settings.retention import Retention
from gateway.settings.routes import Route
from gateway.settings.scp import SCP, Peer
from gateway.settings.section import MAX_NAME, TLS, ClientTLS, Name, Section
from gateway.settings.selection import Selection
from gateway.settings.sources import DicomSource, Schedule, Source, SourceRules, WebSource
from gateway.settings.store import FolderStore, S3Store, Store
from gateway.settings.web import Role, User, Web
from gateway.settings.worker import Worker

__all__ = [
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


class Settings(BaseSettings):
    """All settings of one gateway; `data_dir` is absolute after loading, and so is every path."""

    model_config = SettingsConfigDict(
        frozen=True,
        allow_inf_nan=False,
        extra="forbid",
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
        env_parse_none_str="null",
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

    @property
    def web_key(self) -> Path:
        """Key that signs browser sessions and seals searches: where hosts share images, beside these."""
        return (self.images_elsewhere or self.directory.run) / "web.key"

    @property
    def images_elsewhere(self) -> Path | None:
        """Folder of the images where they lie outside of `data_dir`; None elsewhere, and with a bucket."""
        return self.store.path if isinstance(self.store, FolderStore) else None

    @cached_property
    def database_url(self) -> str:
        """URL of the ledger, for `store.database.open_engine`."""
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

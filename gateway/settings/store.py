"""Settings of the store: where received images and results are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from gateway.settings.section import Section


class FolderStore(Section):
    """Images and results as files below one folder."""

    kind: Literal["folder"] = "folder"
    """Images and results as files."""
    path: Path | None = None
    """Folder of images and results; null: data_dir. Several hosts share this folder, never data_dir."""


class S3Store(Section):
    """Images and results as objects of an S3 bucket; files below data_dir are copies that may go.

    The keys are taken from these settings, else from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else from
    the token file or the role that Amazon gives the machine.
    """

    kind: Literal["s3"]
    """Images and results as objects."""
    bucket: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$")]
    """Name of the bucket, which must exist."""
    prefix: Annotated[str, StringConstraints(pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")] = ""
    """Begins the key of every object; several gateways share a bucket by different prefixes."""
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@]+/?$")] | None = None
    """URL of the S3 server, http or https; null: Amazon's of the region."""
    region: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "us-east-1"
    """Region of the bucket."""
    access_key_id: SecretStr | None = None
    """Access key; better in the environment, as GATEWAY_STORE__ACCESS_KEY_ID."""
    secret_access_key: SecretStr | None = None
    """Secret key; better in the environment, as GATEWAY_STORE__SECRET_ACCESS_KEY."""
    ca: Path | None = None
    """Authorities to trust, a PEM file; null: those of the system."""
    conditional_put: bool = True
    """Let the server refuse to overwrite (If-None-Match). false for servers that do not know it."""
    checksum: bool = True
    """Let the server compare the SHA-256 of what arrives. false for servers that do not know it."""
    confirm: Literal["head", "read"] = "head"
    """Confirmation of an object before its sender is told: head asks for it, read reads it back."""
    timeout_seconds: float = Field(10, gt=0)
    """Seconds for one request, and for the attempts at one object together."""
    cache_mb: int = Field(2000, ge=100)
    """Size in MB of the copies below data_dir; beyond it those not used for longest are deleted."""
    orphan_hours: float | None = Field(24, ge=1)
    """Hours after which an object without a row is deleted; null: never, as while a backup is restored."""

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("state both access_key_id and secret_access_key, or neither")
        return self


Store = Annotated[FolderStore | S3Store, Field(discriminator="kind")]

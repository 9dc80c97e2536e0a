"""Settings of a web server that the gateway asks: address, credentials, trust."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from gateway.settings.section import Section

URL = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]


class WebServer(Section):
    """A DICOMweb or FHIR server.

    A secret that is not stated is looked for in the environment: `GATEWAY_<NAME>_PASSWORD`,
    `GATEWAY_<NAME>_BEARER_TOKEN` and `GATEWAY_<NAME>_CLIENT_SECRET`, the name in capitals and with `_` for
    everything but letters and digits. Only workers need it: `gateway list` and its like run without.
    """

    url: URL
    """Base URL of the service, http or https."""
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
        secrets = {
            key: os.environ.get(variable) for key, variable in variables.items() if key in cls.model_fields
        }
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


def secret_variables(name: str) -> dict[str, str]:
    """Return the environment variable of each secret of the server of this name."""
    prefix = "GATEWAY_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
    return {key: f"{prefix}_{key.upper()}" for key in ("password", "bearer_token", "client_secret")}

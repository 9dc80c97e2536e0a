"""A certificate authority of the tests, with good and bad certificates, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SUBJECT_ALTERNATIVE_NAME = "subjectAltName=IP:127.0.0.1,DNS:localhost"


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, PEM."""

    certificate: Path
    key: Path

    @property
    def files(self) -> dict[str, str]:
        """As in the settings."""
        return {"certificate": str(self.certificate), "key": str(self.key)}


class Authority:
    """Signs certificates for 127.0.0.1; its files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            "req", "-x509", *_NEW_KEY, self._key, "-out", self.ca, "-subj", f"/CN={folder.name}", "-days", "2"
        )

    def sign(self, name: str, *, days: int = 2, host: str = SUBJECT_ALTERNATIVE_NAME) -> Certificate:
        """Return a new certificate; with negative days it has expired."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(host)
        _openssl("req", *_NEW_KEY, made.key, "-out", request, "-subj", f"/CN={name}")
        _openssl(
            *("x509", "-req", "-in", request, "-out", made.certificate, "-days", str(days)),
            *("-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-extfile", extensions),
        )
        return made


_NEW_KEY = ("-newkey", "rsa:2048", "-nodes", "-keyout")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

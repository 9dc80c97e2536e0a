"""A DICOM node as `gateway send` and `gateway echo` are told of it on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from gateway.errors import ConfigurationError
from gateway.requestor.storage_scu import DicomNode, node_of
from gateway.settings import ClientTLS, DicomDestination, Settings
from gateway.upper_layer.decoding import is_title


@dataclass(frozen=True, slots=True)
class Options:
    """Options beside the node; None leaves each to the settings."""

    calling_ae_title: str | None = None
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def client_tls(self) -> ClientTLS | None:
        """Return the TLS that is asked for; any file asks for it."""
        if not (self.tls or self.ca or self.certificate or self.key):
            return None
        try:
            return ClientTLS(ca=self.ca, certificate=self.certificate, key=self.key)
        except ValidationError:
            raise ConfigurationError("state both --certificate and --key, or neither") from None


def node_from(text: str, settings: Settings, options: Options) -> DicomNode:
    """Return the node of `AE@HOST:PORT`, or of a destination's name, whose TLS and timeout count then.

    Raises
    ------
    ConfigurationError
        If it is neither, or an option is wrong.
    """
    node = _named(text, settings) or _addressed(text, settings.scp.ae_title)
    calling = options.calling_ae_title or node.calling_ae_title
    for title in (node.ae_title, calling):
        if not is_title(title):
            raise ConfigurationError(f"{title}: an AE title has up to 16 ASCII characters, without backslash")
    return replace(node, calling_ae_title=calling, tls=options.client_tls() or node.tls)


def _named(text: str, settings: Settings) -> DicomNode | None:
    for destination in settings.destinations:
        if isinstance(destination, DicomDestination) and destination.name == text:
            return node_of(destination, settings.scp.ae_title)
    return None


def _addressed(text: str, calling_ae_title: str) -> DicomNode:
    match = re.fullmatch(r"([^@]+)@(.+):(\d{1,5})", text)
    if not match:
        raise ConfigurationError(f"{text}: write a DICOM node as AE@HOST:PORT, or name a destination")
    ae_title, host, port = match.groups()
    if not 0 < int(port) < 65536:
        raise ConfigurationError(f"{text}: a port is between 1 and 65535")
    return DicomNode(ae_title, host.strip("[]"), int(port), calling_ae_title)

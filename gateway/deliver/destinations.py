"""The kinds of destination: from the type of a destination's settings to its class.

A new kind is a settings type in `settings.Destination`, a module with its class, and an entry here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.deliver.c_store import StorageSCU
from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.fhir import FhirServer
from gateway.deliver.folder import ResultsFolder
from gateway.deliver.hl7 import MessageReceiver
from gateway.deliver.outcome import Outcome, Verdict
from gateway.deliver.stow import StowClient
from gateway.settings import (
    DicomDestination,
    FHIRDestination,
    FolderDestination,
    HL7Destination,
    Settings,
    StowDestination,
)
from gateway.store.entries import PendingDelivery

Kinds = Mapping[type, Callable[[Any, Settings], Destination]]

KINDS: Kinds = {
    FolderDestination: lambda folder, settings: ResultsFolder(folder, settings.data_dir),
    DicomDestination: lambda node, settings: StorageSCU(node, settings.scp.ae_title),
    StowDestination: lambda server, _: StowClient(server),
    HL7Destination: lambda receiver, _: MessageReceiver(receiver),
    FHIRDestination: lambda server, _: FhirServer(server),
}


def open_destinations(settings: Settings, kinds: Kinds = KINDS) -> dict[str, Destination]:
    """Return every configured destination by its name; nothing is connected yet."""
    return {each.name: kinds[type(each)](each, settings) for each in settings.destinations}


class Unconfigured(Destination):
    """Stands for a destination that the ledger knows and the settings do not: its deliveries wait."""

    timeout_seconds = 30.0

    def __init__(self, name: str) -> None:
        self.name = name

    def accepts(self, kind: str, media_type: str) -> bool:  # noqa: ARG002
        """Take nothing new."""
        return False

    def deliver(
        self,
        pending: Sequence[PendingDelivery],
        stopping: threading.Event | None = None,  # noqa: ARG002
    ) -> Iterator[Outcome]:
        """Yield that the destination is away."""
        for delivery in pending:
            yield Outcome(delivery, Verdict.AWAY, "no destination of this name is configured")

    @property
    def audit_target(self) -> AuditTarget:
        """The name, which is all that is known."""
        return AuditTarget(self.name)

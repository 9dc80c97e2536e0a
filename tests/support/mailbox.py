"""A made-up kind of destination in one file: a folder of letters that takes text, and nothing else."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.outcome import Outcome, Verdict
from gateway.settings import Destination as ShippedSettings
from gateway.settings import Name, Section, Settings
from gateway.store.entries import PendingDelivery


class MailboxSettings(Section):
    """Where the letters lie."""

    name: Name
    kind: Literal["mailbox"]
    path: Path


class SettingsWithMailbox(Settings):
    """The shipped settings; their union of destinations has one entry more."""

    destinations: tuple[Annotated[ShippedSettings | MailboxSettings, Field(discriminator="kind")], ...]


class Mailbox(Destination):
    """Takes each letter once, and remembers how often it was brought."""

    timeout_seconds = 5.0

    def __init__(self, settings: MailboxSettings) -> None:
        self.name = settings.name
        self.path = settings.path

    def accepts(self, kind: str, media_type: str) -> bool:  # noqa: ARG002
        return media_type == "text/plain"

    def deliver(
        self,
        pending: Sequence[PendingDelivery],
        stopping: threading.Event | None = None,  # noqa: ARG002
    ) -> Iterator[Outcome]:
        self.path.mkdir(exist_ok=True)
        for delivery in pending:
            with (self.path / "visits").open("a") as visits:
                visits.write(f"{delivery.name}\n")
            (self.path / delivery.name).write_bytes(delivery.path.read_bytes())
            yield Outcome(delivery, Verdict.DELIVERED)

    @property
    def audit_target(self) -> AuditTarget:
        return AuditTarget(str(self.path), is_node=False)

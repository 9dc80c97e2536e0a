"""The composition root of the role `pull`: a watch over each source with a schedule."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.processes.pullers import pullers_of
from gateway.pull.watch import Watch
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.pulls import Pulls
from gateway.store.source_rows import SourceRows
from gateway.threads import Vital


@dataclass(frozen=True, slots=True)
class Pulling:
    """The role `pull`."""

    settings: Settings
    watches: Sequence[Vital]
    stopping: threading.Event

    def start(self) -> Mapping[str, object]:
        """Watch every source; see `Role`."""
        for watch in self.watches:
            watch.start()
        return {"sources": len(self.watches)}

    def stop(self) -> None:
        """Finish or break off the study in hand; see `Role`."""
        self.stopping.set()
        for watch in self.watches:
            watch.join(self.settings.shutdown_seconds)


def build(settings: Settings, _: sa.Engine, ledger: Ledger) -> Pulling:
    """Build the role; nothing is connected yet."""
    stopping = threading.Event()
    pullers, pulls, rows = pullers_of(settings, ledger, stopping), Pulls(ledger), SourceRows(ledger)
    watches = [
        Vital(Watch(pullers[each.name], each.schedule, pulls, rows, stopping).run, f"watch {each.name}")
        for each in settings.sources
        if each.schedule is not None
    ]
    return Pulling(settings, watches, stopping)

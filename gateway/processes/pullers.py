"""Builds the pullers of the configured sources, for the role `pull` and for `gateway pull`."""

from __future__ import annotations

import threading
from functools import partial

from gateway.files.answering import Answering
from gateway.pull.kinds import open_source, selection_of
from gateway.pull.puller import Puller
from gateway.pull.turn import turn_at
from gateway.receive.capacity import Capacity
from gateway.receive.intake import Intake
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.pulls import Pulls
from gateway.store.stores import open_stores

TURN_SECONDS = 90.0
"""Longest wait for the turn at a source: three times what another process takes."""


def pullers_of(settings: Settings, ledger: Ledger, stopping: threading.Event) -> dict[str, Puller]:
    """Return a puller for each source, by its name; nothing is connected yet.

    Raises
    ------
    ConfigurationError, Retry, OSError
        See `open_stores`.
    """
    received = open_stores(settings, ledger).received
    capacity = Capacity(settings.scp, received, ledger, Answering(settings.directory.root))
    intake, pulls, selection = Intake(capacity, received, ledger), Pulls(ledger), selection_of(settings)
    return {
        each.name: Puller(
            open_source(each, settings, intake),
            each,
            selection,
            pulls,
            capacity,
            partial(turn_at, settings.directory.run, each.name, stopping, TURN_SECONDS),
            stopping,
        )
        for each in settings.sources
    }

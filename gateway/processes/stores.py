"""Opens the stores of images and results for a role."""

from __future__ import annotations

from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.objects import Stores
from gateway.store.stores import open_stores
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event


def open_role_stores(settings: Settings, ledger: Ledger) -> Stores:
    """Return both stores; log each one that is not there: its images wait.

    Raises
    ------
    ConfigurationError, Retry, OSError
        See `open_stores`.
    """
    stores = open_stores(settings, ledger)
    for store in stores:
        problem = store.problem()
        if problem:
            log_event(Event.FOLDER_AWAY, folder=store.place, reason=problem)
    return stores

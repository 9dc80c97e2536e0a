"""One thread per destination and worker: whatever a destination does, the others do not wait for it."""

from __future__ import annotations

import threading

from gateway.deliver.attempt import Attempt
from gateway.errors import Retry
from gateway.log import log_bug, log_event
from gateway.settings import Settings
from gateway.store.commitments import Commitments
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox

POLL_SECONDS = 0.05
RETRY_SECONDS = 5.0
OBJECTS_PER_ROUND = 100  # over one association


class Courier:
    """Delivers what is due at one destination, round after round.

    Parameters
    ----------
    name
        Of the destination; one that is no longer configured only gives up what is left for it.
    worker
        Under which name deliveries are taken in hand.
    """

    def __init__(self, name: str, settings: Settings, ledger: Ledger, worker: str) -> None:
        self._name = name
        self._outbox = Outbox(ledger)
        self._worker = worker
        self._holds = True
        self._stopping = threading.Event()
        self._attempt = Attempt(name, settings, self._outbox, Commitments(ledger), self._stopping)
        self._thread = threading.Thread(target=self._run, name=f"deliver to {name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._outbox.add_destination(self._name)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more in hand; the object that is being sent may be finished."""
        self._stopping.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end of the round. What it leaves is sent again after the next start."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                self._put_back()
                while not self._stopping.is_set() and self._outbox.has_due(self._name):
                    self._deliver()
            except Retry as error:
                log_event("waiting", destination=self._name, reason=str(error))
                self._stopping.wait(RETRY_SECONDS)
            except Exception:
                log_bug("bug", destination=self._name)
                self._stopping.wait(RETRY_SECONDS)

    def _put_back(self) -> None:
        """Release what this worker holds since its last life, or since a round that went wrong."""
        if self._holds:
            self._outbox.release(self._worker, self._name)
            self._holds = False

    def _deliver(self) -> None:
        self._holds = True
        self._attempt.run(self._outbox.claim(self._name, self._worker, OBJECTS_PER_ROUND))
        self._put_back()

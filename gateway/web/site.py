"""The collaborators of the pages and the API."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.files.answering import Answering
from gateway.receive.intake import Intake
from gateway.settings import Settings
from gateway.store.feedback import Feedback
from gateway.store.ledger import Ledger
from gateway.store.objects import Stores
from gateway.store.pulls import Pulls
from gateway.store.queries.feedback import FeedbackQueries
from gateway.store.queries.images import Images
from gateway.store.queries.priors import Priors
from gateway.store.queries.statistics import Statistics
from gateway.store.queries.studies import Studies
from gateway.store.queries.traffic import Traffic
from gateway.store.queries.worklist import Worklist
from gateway.store.refusals import Refusals
from gateway.web.api.prediction_sandbox import PredictionSandbox
from gateway.web.body import Bodies
from gateway.web.security.access import Access
from gateway.web.security.audit import Looks
from gateway.web.viewer.display import Display

Value = TypeVar("Value")


class Remembered:
    """Answers that many browsers may share for a few seconds."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, Any]] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, name: str, seconds: float, ask: Callable[[], Value]) -> Value:
        """Return what `ask` returned at most `seconds` ago, else ask; nobody asks twice at once."""
        with self._locks[name]:
            asked_at, value = self._values.get(name, (float("-inf"), None))
            if time.monotonic() - asked_at > seconds:
                value = ask()
                self._values[name] = time.monotonic(), value
            found: Value = value
            return found


@dataclass(frozen=True)
class Site:
    """The settings, whether the data directory answers, and the parts of the store with their questions."""

    settings: Settings
    data_dir: Answering
    ledger: Ledger
    stores: Stores
    intake: Intake
    access: Access
    display: Display
    sandbox: PredictionSandbox
    bodies: Bodies
    images: Images
    worklist: Worklist
    studies: Studies
    priors: Priors
    feedback: Feedback
    readings: FeedbackQueries
    refusals: Refusals
    pulls: Pulls
    traffic: Traffic
    statistics: Statistics
    remembered: Remembered
    looks: Looks

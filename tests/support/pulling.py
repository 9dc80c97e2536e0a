"""A puller over a real ledger and spool, and what it has brought."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from gateway.processes.pullers import pullers_of
from gateway.pull.puller import Puller
from gateway.pull.query import Period, Query
from gateway.settings import Settings
from gateway.store.entries import PullView
from gateway.store.ledger import Ledger
from gateway.store.pulls import Pulls
from gateway.store.queries.images import Images
from tests.support.database import database_in

NOVEMBER = Query(Period(date(2026, 11, 1), date(2026, 11, 30)))


@dataclass
class Here:
    """A gateway's puller, and its rows."""

    puller: Puller
    ledger: Ledger
    pulls: Pulls
    folder: Path

    def pull(self, query: Query = NOVEMBER, **how: Any) -> list[str]:
        """Search, fetch, and return the states of the studies in the order of their end."""
        _, due = self.puller.find(query, **how)
        return self.go_on(due)

    def go_on(self, due: list[str] | None = None) -> list[str]:
        """Fetch what is due; return the states of the studies in the order of their end."""
        ended: list[str] = []
        self.puller.run(lambda pull: ended.append(str(pull.state)), due)
        return ended

    def view(self, image: Dataset) -> PullView:
        (view,) = self.pulls.of_study(str(image.StudyInstanceUID))
        return view

    def rows(self, image: Dataset) -> int:
        return len(Images(self.ledger).versions(str(image.SOPInstanceUID)))

    def files(self) -> list[Path]:
        return sorted(path for path in (self.folder / "spool").rglob("*.dcm"))


@contextmanager
def puller_for(folder: Path, source: dict[str, Any], **settings: Any) -> Iterator[Here]:
    """Open a puller for the source of these settings."""
    engine = database_in(folder)
    ledger = Ledger(engine, folder)
    built = Settings(data_dir=folder, sources=[source], **settings)
    puller = pullers_of(built, ledger, threading.Event())[source["name"]]
    try:
        yield Here(puller, ledger, Pulls(ledger), folder)
    finally:
        engine.dispose()

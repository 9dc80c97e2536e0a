"""A data directory, its settings file, and a worker's parts that run when a test says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydicom.dataset import Dataset

from gateway.processes.worker import rejecters_of
from gateway.settings import Settings
from gateway.store.entries import PendingDelivery
from gateway.store.opening import open_database
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from gateway.store.queries.views import ImageView
from gateway.worker.answerer import Answerer
from tests.support.command_line import Done, run_command
from tests.support.key_objects import rejection
from tests.support.sources import dx
from tests.support.worker import pipeline_in, receive

DESTINATIONS = [{"name": name, "kind": "folder", "path": name} for name in ("outbox", "children", "archive")]


class House:
    """A data directory, its settings file, and a worker's parts that run when a test says so."""

    def __init__(self, folder: Path, *routes: dict[str, Any], **sections: Any) -> None:
        self.folder = folder / "var"
        self.config = folder / "gateway.yaml"
        self._sections = sections
        self.routed(*routes)
        self.engine, self.ledger = open_database(self.settings)

    def routed(self, *routes: dict[str, Any], file: Path | None = None) -> Path:
        """Write these routes into the settings file, or into another one; return it."""
        content = {"data_dir": str(self.folder), "destinations": DESTINATIONS, "routes": list(routes)}
        content |= self._sections
        path = file or self.config
        path.write_text(yaml.safe_dump(content))
        if file is None:
            self.settings = Settings.model_validate(content)
        return path

    def states(self, **sections: Any) -> None:
        """State other sections of the settings, from the next `routed` on."""
        self._sections |= sections

    def receive(self, number: int, source: Dataset | None = None, **header: Any) -> str:
        """Receive an image; return its SOP Instance UID."""
        uid = f"1.2.{number}"
        receive(self.ledger, self.folder, number, source or dx(SOPInstanceUID=uid, **header))
        return uid

    def answer(self, batch: str = "a") -> None:
        self.ledger.claim(batch, 100)
        pipeline, stores = pipeline_in(self.settings, self.ledger)
        rejecters = rejecters_of(self.settings, self.ledger, stores)
        Answerer(self.ledger, pipeline, stores, rejecters).answer(batch, lambda: None)

    def reject(self, number: int, *uids: str, **header: Any) -> ImageView:
        """Receive a rejection note on images, and carry it out; return the note."""
        uid = f"1.2.{number}"
        self.receive(number, rejection(*uids, **({"SOPInstanceUID": uid} | header)))
        self.answer(f"note {number}")
        return self.image(uid)

    def deliver(self, *names: str, stored: bool = True) -> list[PendingDelivery]:
        """Return what is due at destinations, and record it as stored."""
        outbox = Outbox(self.ledger)
        sent = [each for name in names for each in outbox.claim(name, "worker", 100)]
        for each in sent if stored else ():
            outbox.record_stored(each)
        return sent

    def image(self, uid: str) -> ImageView:
        (version,) = Images(self.ledger).versions(uid)
        return version

    def went(self, uid: str) -> set[str]:
        return {each.destination for each in self.image(uid).deliveries}

    def run(self, *arguments: object, config: Path | None = None) -> Done:
        return run_command(*arguments, "--config", config or self.config)

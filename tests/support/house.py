"""A data directory, its settings file, and a worker's parts that run when a test says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydicom.dataset import Dataset

from gateway.settings import Settings
from gateway.store.opening import open_database
from gateway.store.queries.images import Images
from gateway.store.queries.views import ImageView
from gateway.worker.answerer import Answerer
from gateway.worker.result_rejections import ResultRejections
from tests.support.command_line import Done, run_command
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

    def receive(self, number: int, source: Dataset | None = None, **header: Any) -> str:
        """Receive an image; return its SOP Instance UID."""
        uid = f"1.2.{number}"
        receive(self.ledger, self.folder, number, source or dx(SOPInstanceUID=uid, **header))
        return uid

    def answer(self, batch: str = "a") -> None:
        with self.ledger.transaction() as connection:
            self.ledger.claim(connection, batch, 100)
        pipeline, stores = pipeline_in(self.settings, self.ledger)
        own = None
        if self.settings.delivery.rejection_notes:
            own = ResultRejections(self.ledger, stores.results)
        Answerer(self.ledger, pipeline, stores, own).answer(batch, lambda: None)

    def image(self, uid: str) -> ImageView:
        (version,) = Images(self.ledger).versions(uid)
        return version

    def went(self, uid: str) -> set[str]:
        return {each.destination for each in self.image(uid).deliveries}

    def run(self, *arguments: object, config: Path | None = None) -> Done:
        return run_command(*arguments, "--config", config or self.config)

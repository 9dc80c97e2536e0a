"""A worker's parts over a real ledger and spool, with a model that answers at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.model.predictor import Predictor
from gateway.records import ModelIdentity, Prediction
from gateway.settings import FolderDestination, Settings
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.objects import Stores
from gateway.store.spool import Spool
from gateway.store.stores import open_stores
from gateway.worker.encode import open_encoder
from gateway.worker.ends import Settled
from gateway.worker.pipeline import Pipeline
from gateway.worker.stages import Stages
from tests.support.answers import FINDING
from tests.support.ledger_rows import received
from tests.support.sources import dx, encoded

Value = TypeVar("Value")


class OwnProcess:
    """Runs the stages of an image at once, in the test's process."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def prepare(self, instance: StoredInstance) -> Future[NDArray[np.float32] | Settled]:
        return _done(self._stages.prepare, instance)

    def encode(self, instance: StoredInstance, predictions: Sequence[Prediction]) -> Future[Settled]:
        return _done(self._stages.encode, instance, predictions)


def _done(work: Callable[..., Value], *arguments: object) -> Future[Value]:
    future = Future[Value]()
    try:
        future.set_result(work(*arguments))
    except Exception as error:
        future.set_exception(error)
    return future


class FakePredictor(Predictor):
    """Says Normal of every image; counts the images of each forward pass."""

    def __init__(self) -> None:
        self.identity = ModelIdentity("fake", "1", "0" * 64, 0.5, "none", "Normal", "Pneumonia", FINDING)
        self.passes: list[int] = []

    @property
    def on_gpu(self) -> bool:
        return False

    @property
    def passes_at_once(self) -> int:
        return 1

    def predict(self, images: NDArray[np.float32]) -> list[Prediction]:
        self.passes.append(len(images))
        activation = np.zeros((7, 7), np.float32)
        return [Prediction(0.1, None, activation, self.identity) for _ in images]


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Return settings whose only destination is a folder."""
    outbox = FolderDestination(name="outbox", kind="folder", path=folder / "outbox")
    return Settings(**{"data_dir": folder, "destinations": (outbox,)} | changes)


def pipeline_in(settings: Settings, ledger: Ledger) -> tuple[Pipeline, Stores]:
    """Return a pipeline with the fake model, and its stores."""
    stores = open_stores(settings, ledger)
    return pipeline_of(settings, stores, FakePredictor()), stores


def folders_in(folder: Path) -> Stores:
    """Return both folders below a data directory, without marks."""
    return Stores(Spool(folder / "spool"), Spool(folder / "results"))


def pipeline_of(settings: Settings, stores: Stores, predictor: Predictor, *beside: Predictor) -> Pipeline:
    """Return a pipeline whose every stage runs in this process."""
    models = [each.identity for each in (predictor, *beside)]
    encoder = open_encoder(settings, stores.results.shelf)
    place = OwnProcess(Stages(settings, models, encoder, most_kept=2))
    return Pipeline(settings, predictor, lambda: place, beside)


def receive(ledger: Ledger, folder: Path, number: int = 1, source: Dataset | bytes | None = None) -> Path:
    """Receive one image, by default a radiograph that is answered; return its file."""
    content = source if isinstance(source, bytes) else encoded(source or dx(SOPInstanceUID=f"1.2.{number}"))
    sha256 = hashlib.sha256(content).hexdigest()
    path = Spool(folder / "spool").keep(f"{sha256}.dcm", [content])
    ledger.record_received(received(folder, number, path=path, sha256=sha256))
    return path

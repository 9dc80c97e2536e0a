"""STAGES: processor time of each stage of one image around the network.

The stages run one after another in this process, as the worker runs them, round after round. A figure is the
least processor time of a round, all threads and the system's share included: other load on the machine does
not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydicom import Dataset

from benchmarks.dcmtk import storescp
from benchmarks.figure import Effort, Figure
from benchmarks.radiograph import write_radiographs
from gateway.deliver.c_store import StorageSCU
from gateway.deliver.destination import Destination
from gateway.deliver.folder import ResultsFolder
from gateway.deliver.outcome import Verdict
from gateway.imaging.decode import decode
from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.imaging.fingerprint import pixel_digest
from gateway.imaging.preprocess import over_whole_image, preprocess
from gateway.results.kinds import KINDS
from gateway.results.result import AnsweredImage, ResultRules
from gateway.results.source_header import source_header
from gateway.sandbox.heap import keep_freed_memory
from gateway.settings import DicomDestination, FolderDestination
from gateway.store.entries import AnswerRecord, PendingDelivery
from gateway.store.spool import Spool
from gateway.worker.describe import describe
from gateway.worker.encode import Encoder, record_of
from gateway.worker.source_file import read_source
from tests.support.answers import activation_map, answer, prediction

_T = TypeVar("_T")
_RULES = ResultRules()
_WANTED = [kind for kind in KINDS if kind.is_wanted(_RULES)]
_OTHER_WAY_OUT = "deliver SR and SC to a folder"
DELIVERIES = (_OTHER_WAY_OUT, "deliver SR and SC by C-STORE")


@dataclass(frozen=True, slots=True)
class Clock:
    """The least processor time of each stage, in ms, in the order of the stages."""

    least: dict[str, float] = field(default_factory=dict)

    def time(self, stage: str, work: Callable[[], _T]) -> _T:
        """Return what `work` returns."""
        begun = time.process_time()
        done = work()
        spent = 1000 * (time.process_time() - begun)
        self.least[stage] = min(spent, self.least.get(stage, spent))
        return done


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Time the stages of a radiograph of 2500 × 2048 pixels of 16 bits."""
    folder = root / "stages"
    (image,) = write_radiographs(folder, 1)
    arrived = folder / "arrived"
    arrived.mkdir()
    keep_freed_memory()  # as a sandbox does
    clock = Clock()
    encoder = Encoder(_RULES, Spool(folder / "results"), lambda *_: ())
    outbox = ResultsFolder(FolderDestination(name="outbox", kind="folder", path=folder / "outbox"))
    with storescp(arrived) as listener:
        pacs = StorageSCU(_settings_of(listener.port), "CXR_GATEWAY")
        for number in range(effort.repeats):
            record = _answer(clock, image, number, encoder)
            for stage, destination in zip(DELIVERIES, (outbox, pacs), strict=True):
                _deliver(clock, stage, destination, record)
    around = sum(spent for stage, spent in clock.least.items() if stage != _OTHER_WAY_OUT)
    return [
        *(Figure(f"stage: {stage}", spent, "ms") for stage, spent in clock.least.items()),
        Figure("stages around the network, without the folder", around, "ms"),
    ]


def _answer(clock: Clock, path: Path, number: int, encoder: Encoder) -> AnswerRecord:
    """Run the stages up to results on disk; each round has a score and results of its own."""
    source = clock.time("read and select", lambda: _selected(path))
    grey = clock.time("decode to grey", lambda: decode(source))
    tensor, steps = clock.time("preprocess", lambda: preprocess(grey.pixels))
    clock.time("describe", lambda: describe(source, tensor))
    clock.time("activation over the image", lambda: over_whole_image(activation_map(), grey.pixels))
    digest = clock.time("pixel digest", lambda: pixel_digest(grey))
    header = clock.time("header for the results", lambda: source_header(source))
    score = 0.5 + number % 500 / 1000
    given = answer(
        prediction(score), configuration=str(number), pixel_digest=digest, steps=grey.steps + steps
    )
    image = AnsweredImage(header, grey, given)
    results = [clock.time(kind.kind.upper(), partial(kind.build, image, _RULES)) for kind in _WANTED]
    kept = clock.time("keep SR and SC", lambda: encoder.keep(results, "MODALITY"))
    return clock.time("record of the answer", lambda: record_of(given, kept, header.repairs))


def _selected(path: Path) -> Dataset:
    source = read_source(path)
    eligibility(source, EligibilityRules())
    return source


def _deliver(clock: Clock, stage: str, destination: Destination, record: AnswerRecord) -> None:
    pending = [
        PendingDelivery(
            id=number,
            instance_id=1,
            source_sop_instance_uid="1.2.3",
            study_instance_uid=f"1.2.{record.configuration}",
            calling_ae_title="MODALITY",
            kind=result.kind,
            sop_class_uid=result.sop_class_uid or "",
            sop_instance_uid=result.sop_instance_uid or "",
            path=result.path,
            begun_at=datetime.now(UTC),
            destination=destination.name,
        )
        for number, result in enumerate(record.results)
    ]
    outcomes = clock.time(stage, lambda: list(destination.deliver(pending)))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.DELIVERED}, outcomes


def _settings_of(port: int) -> DicomDestination:
    return DicomDestination(name="pacs", kind="dicom", ae_title="PACS", host="127.0.0.1", port=port)

"""END TO END: from the modality's C-STORE to the SR in the PACS, through the real gateway.

Throughput is measured from the first C-STORE to the last SR, with senders at full speed. Latency is measured
from the 0x0000 at the sender to the SR in the receiving storescp, with paced senders, so that no queue builds
up.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread

from benchmarks.dcmtk import storescp
from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.model import BareModel, Models
from benchmarks.naive import naive
from benchmarks.processes import each, processor_ms
from benchmarks.radiograph import shares, write_radiographs
from benchmarks.sender import Sender
from benchmarks.stopwatch import peak_mb
from gateway.requestor.storage_scu import DicomNode
from tests.support.gateway_process import GatewayProcess, running, wait_for

SENDERS = (1, 4)
LOAD = 0.5  # share of the throughput at which latency is measured
LEAD_SECONDS = 0.2  # delay before the first C-STORE
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Course:
    """Times of one run, in seconds since 1970; acknowledgements and SRs by SOP Instance UID of the image."""

    started: float
    acknowledged: dict[str, float]
    arrived: dict[str, float]

    @property
    def images_per_second(self) -> float:
        """The rate from the first C-STORE to the last SR."""
        return len(self.arrived) / (max(self.arrived.values()) - self.started)

    @property
    def acknowledged_per_second(self) -> float:
        """The rate from the first C-STORE to the last 0x0000."""
        return len(self.acknowledged) / (max(self.acknowledged.values()) - self.started)

    def latency_ms(self, percentile: float) -> float:
        """Return a percentile of the time from acknowledgement to SR, in ms."""
        waits = [self.arrived[uid] - at for uid, at in self.acknowledged.items()]
        return 1000 * float(np.percentile(waits, percentile))


def measure(root: Path, effort: Effort, models: Models, storescp_mb: float) -> list[Figure]:
    """Measure throughput, latency, processor time and memory of one gateway, beside the naive script."""
    scripted = {senders: _naive(root, senders, effort.answered) for senders in SENDERS}
    figures = []
    with hospital(root) as (gateway, pacs):
        _warm_up(root, gateway.node, pacs, 1)
        for senders in SENDERS:
            figures += _figures(root, gateway, pacs, senders, effort.answered, models, scripted[senders])
        figures += _memory(gateway, models.torch, storescp_mb)
    return figures


def _naive(root: Path, senders: int, images: int) -> float:
    """Return the images per second of the naive script."""
    pacs = root / "naive"
    pacs.mkdir()
    with storescp(pacs, "--fork") as listener, naive(listener.port) as port:
        node = DicomNode("NAIVE", "127.0.0.1", port, "BENCHMARK")
        _warm_up(root, node, pacs, senders)
        course = run(root / "sent", node, pacs, senders, images)
    shutil.rmtree(pacs)
    return course.images_per_second


def _warm_up(root: Path, node: DicomNode, pacs: Path, senders: int) -> None:
    """Send one image each: the first ones take longer, and with them a process may still start."""
    run(root / "sent", node, pacs, senders, senders)


@contextmanager
def hospital(root: Path, environment: dict[str, str] | None = None) -> Iterator[tuple[GatewayProcess, Path]]:
    """Run a gateway that delivers to a storescp; yield the gateway and the folder of arrivals."""
    pacs = root / "pacs"
    pacs.mkdir()
    with (
        storescp(pacs) as listener,
        gateway_of_pacs(root, listener.port, environment=environment) as gateway,
    ):
        yield gateway, pacs
        gateway.stop()


def gateway_of_pacs(root: Path, port: int, **settings: Any) -> AbstractContextManager[GatewayProcess]:
    """Run a gateway whose only destination is a node at `port`."""
    address = {"ae_title": "PACS", "host": "127.0.0.1", "port": port}
    destinations = [{"name": "pacs", "kind": "dicom"} | address]
    routes = [{"calling_ae_title": "*", "to": ["pacs"]}]
    return running(root, destinations=destinations, routes=routes, **settings)


def _figures(
    root: Path,
    gateway: GatewayProcess,
    pacs: Path,
    senders: int,
    images: int,
    models: Models,
    scripted: float,
) -> list[Figure]:
    bare = models.torch
    before = processor_ms(gateway.process.pid)
    fast = run(root / "sent", gateway.node, pacs, senders, images)
    spent = each(before, processor_ms(gateway.process.pid), images)
    rate = LOAD * fast.images_per_second
    paced = run(root / "sent", gateway.node, pacs, senders, images, rate)
    many = f"{senders} sender{'s' * (senders > 1)}"
    alone = Yardstick(f"{bare.engine}, one image", 1000 / bare.images_per_second[1])
    batch = Yardstick(f"{bare.engine}, batch 4", bare.images_per_second[4])
    around = sum(spent.values()) - models.answering.processor_ms
    return [
        Figure(f"naive script, C-STORE to SR, {many}", scripted, "images/s", batch),
        Figure(f"C-STORE to SR, {many}", fast.images_per_second, "images/s", batch),
        Figure("the same", fast.images_per_second, "images/s", Yardstick("naive script", scripted)),
        *(
            Figure(f"0x0000 to SR, {many}, {rate:.1f} images/s, p{p}", paced.latency_ms(p), "ms", alone)
            for p in (50, 95)
        ),
        *(Figure(f"processor time an image, {many}, {name}", ms, "ms") for name, ms in sorted(spent.items())),
        Figure(f"processor time an image, {many}, around the network", around, "ms"),
    ]


def run(
    folder: Path, node: DicomNode, pacs: Path, senders: int, images: int, rate: float | None = None
) -> Course:
    """Send images, `rate` a second over all senders or at full speed; wait for every SR."""
    files = write_radiographs(folder, images)
    step = 1 / rate if rate else 0.0
    sending = [Sender(node, step * senders, share) for share in shares(files, senders)]
    start = time.time() + LEAD_SECONDS
    for number, sender in enumerate(sending):
        sender.start(start + number * step)
    acknowledged = {uid: at for sender in sending for uid, at in sender.acknowledged().items()}
    _wait_for_results(2 * images, pacs)
    course = Course(start, acknowledged, _arrivals(pacs))
    assert acknowledged.keys() == course.arrived.keys(), "an image has no SR"
    shutil.rmtree(folder)
    for path in _results(pacs):
        path.unlink()
    return course


def _wait_for_results(count: int, pacs: Path) -> None:
    try:
        wait_for(lambda: len(_results(pacs)) == count, PATIENCE_SECONDS)
    except AssertionError:
        raise RuntimeError(f"{count - len(_results(pacs))} results are missing") from None


def _results(pacs: Path) -> list[Path]:
    return list(pacs.iterdir())


def _arrivals(pacs: Path) -> dict[str, float]:
    """Return the time of the last write to each image's SR, up to 4 ms early (the kernel's tick)."""
    reports = [path for path in _results(pacs) if path.name.startswith("SR")]
    return {_evidence(path): path.stat().st_mtime for path in reports}


def _evidence(report: Path) -> str:
    """Return the SOP Instance UID of the image that the SR references (PS3.3 C.17.2.3)."""
    (study,) = dcmread(report).CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (image,) = series.ReferencedSOPSequence
    return str(image.ReferencedSOPInstanceUID)


def _memory(gateway: GatewayProcess, bare: BareModel, storescp_mb: float) -> list[Figure]:
    receiver, worker = (peak_mb(gateway.role(role)) for role in ("receive", "work"))
    return [
        Figure("peak memory of the receiver", receiver, "MB", Yardstick("storescp", storescp_mb)),
        Figure("peak memory of the worker", worker, "MB", Yardstick(bare.engine, bare.peak_mb)),
    ]

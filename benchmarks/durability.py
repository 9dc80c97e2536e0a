"""DURABILITY: cost of durable writes, measured with the same gateway with and without fsync.

The rates are those of 0x0000 responses and of SRs in the PACS.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.end_to_end import Course, hospital, run
from benchmarks.figure import Effort, Figure, Yardstick

SENDERS = 4
VOLATILE = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).with_name("volatile")), str(Path.cwd())])}


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Measure both gateways with four senders at full speed."""
    durable = _course(root / "durable", effort, {})
    volatile = _course(root / "volatile", effort, VOLATILE)
    return [
        Figure(
            "durable: acknowledged, 4 senders",
            durable.acknowledged_per_second,
            "images/s",
            Yardstick("no fsync", volatile.acknowledged_per_second),
        ),
        Figure(
            "durable: answered, 4 senders",
            durable.images_per_second,
            "images/s",
            Yardstick("no fsync", volatile.images_per_second),
        ),
    ]


def _course(root: Path, effort: Effort, environment: dict[str, str]) -> Course:
    root.mkdir()
    with hospital(root, environment) as (gateway, pacs):
        course = run(root / "sent", gateway.node, pacs, SENDERS, effort.answered)
    shutil.rmtree(root)
    return course

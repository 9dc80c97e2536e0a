"""PREDICT: `gateway predict` on a folder, start included, beside the bare network on as many ready tensors.

The bare network runs before and after the command: a shared machine changes its speed within minutes.
`python -m benchmarks.predict --other CHECKOUT` compares checkouts in turns, by processor time.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from PIL import Image

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.model import BareModel, sustained
from gateway.configuration.settings_file import load_settings
from gateway.proof.images import chest_pixels

SIDE = 1024


class Run(NamedTuple):
    """One run of the command, start included, by file: images/s, and processor time in ms, all threads."""

    images_per_second: float
    processor_ms: float


def measure(root: Path, effort: Effort, bare: BareModel) -> list[Figure]:
    """Measure one run over `Effort.predicted` JPEG files."""
    folder = root / "pictures"
    write_pictures(folder, effort.predicted)
    settings = load_settings()
    before = sustained(settings, effort.predicted)
    run = predict(folder, effort.predicted, Path.cwd())
    alone = (before + sustained(settings, effort.predicted)) / 2
    yardstick = Yardstick(f"{bare.engine}, as many in batches of 4", alone)
    name = f"gateway predict, {effort.predicted} JPEG files"
    return [
        Figure(name, run.images_per_second, "images/s", yardstick),
        Figure(f"processor time an image, {name}", run.processor_ms, "ms"),
    ]


def predict(folder: Path, count: int, checkout: Path) -> Run:
    """Run the command of a checkout over a folder of so many pictures."""
    command = [sys.executable, "-m", "gateway", "predict", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    start, spent = time.perf_counter(), _of_children()
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=checkout, env=environment
    ).stdout
    seconds, processor = time.perf_counter() - start, _of_children() - spent
    assert len([json.loads(line) for line in output.splitlines()]) == count
    return Run(count / seconds, 1000 * processor / count)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_pictures(folder: Path, count: int) -> None:
    """Write `count` grey JPEG files, all different."""
    folder.mkdir()
    chest = chest_pixels(SIDE, SIDE) // 16
    for number in range(count):
        pixels = np.roll(chest, number, axis=1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.jpg")


def main(
    other: Annotated[list[Path] | None, typer.Option(help="Another checkout.")] = None,
    images: Annotated[int, typer.Option(help="Files of a turn.")] = 600,
    turns: Annotated[int, typer.Option(help="Turns of each checkout.")] = 3,
) -> None:
    """Print each checkout's least processor time of an image, and its largest rate."""
    checkouts = [Path.cwd(), *(each.resolve() for each in other or ())]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        folder = Path(temporary) / "pictures"
        write_pictures(folder, images)
        rounds = [[predict(folder, images, each) for each in checkouts] for _ in range(turns)]
    for checkout, runs in zip(checkouts, zip(*rounds, strict=True), strict=True):
        least, most = min(run.processor_ms for run in runs), max(run.images_per_second for run in runs)
        typer.echo(f"{checkout}: {least:.1f} ms an image, {most:.1f} images/s")


if __name__ == "__main__":
    typer.run(main)

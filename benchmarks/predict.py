"""PREDICT: `gateway predict` on a folder, start included, beside the bare network on as many ready tensors.

The bare network runs before and after the command: a shared machine changes its speed within minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.model import BareModel, sustained
from gateway.configuration.settings_file import load_settings
from gateway.proof.images import chest_pixels

SIDE = 1024


def measure(root: Path, effort: Effort, bare: BareModel) -> list[Figure]:
    """Measure one run over `Effort.predicted` JPEG files."""
    folder = root / "pictures"
    write_pictures(folder, effort.predicted)
    settings = load_settings()
    before = sustained(settings, effort.predicted)
    command = [sys.executable, "-m", "gateway", "predict", str(folder)]
    start = time.perf_counter()
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    rate = effort.predicted / (time.perf_counter() - start)
    assert len([json.loads(line) for line in output.splitlines()]) == effort.predicted
    alone = (before + sustained(settings, effort.predicted)) / 2
    yardstick = Yardstick(f"{bare.engine}, as many in batches of 4", alone)
    return [Figure(f"gateway predict, {effort.predicted} JPEG files", rate, "images/s", yardstick)]


def write_pictures(folder: Path, count: int) -> None:
    """Write `count` grey JPEG files, all different."""
    folder.mkdir()
    chest = chest_pixels(SIDE, SIDE) // 16
    for number in range(count):
        pixels = np.roll(chest, number, axis=1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.jpg")

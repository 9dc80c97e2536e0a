"""Makes the radiographs of all measurements: DX, 2500 × 2048, 12 bits in 16, 10 MB."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from gateway.proof.images import noisy_chest_pixels
from tests.support.sources import dx

ROWS, COLUMNS = 2500, 2048
NOISE = 20.0  # of 4095
MB = ROWS * COLUMNS * 2 / 1e6


def radiograph(**overrides: Any) -> Dataset:
    """Return a radiograph with new UIDs; overrides by keyword as for `tests.support.sources.dx`."""
    return dx(pixels=_pixels(), ImagerPixelSpacing=[0.14, 0.14], **overrides)


def write_radiographs(folder: Path, count: int) -> list[Path]:
    """Write `count` radiographs, each named by its SOP Instance UID, and sync the disk."""
    folder.mkdir(parents=True)
    ds = radiograph()
    files = [_write(ds, folder) for _ in range(count)]
    os.sync()
    return files


def shares(files: Sequence[Path], senders: int) -> list[list[Path]]:
    """Return the files divided among the senders."""
    return [list(files[number::senders]) for number in range(senders)]


def _write(ds: Dataset, folder: Path) -> Path:
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (generate_uid(None) for _ in range(3))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


@cache
def _pixels() -> NDArray[np.uint16]:
    return noisy_chest_pixels(np.random.default_rng(0), ROWS, COLUMNS, NOISE)

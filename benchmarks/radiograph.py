"""The radiograph that is decoded, received and answered: DX, 2500 × 2048, 12 bits in 16, 10 MB."""

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

from tests.support.sources import chest_pixels, dx

ROWS, COLUMNS = 2500, 2048
MB = ROWS * COLUMNS * 2 / 1e6


def radiograph(**overrides: Any) -> Dataset:
    """Return one with UIDs of its own; overrides by keyword as for `tests.support.sources.dx`."""
    return dx(pixels=_pixels(), ImagerPixelSpacing=[0.14, 0.14], **overrides)


def write_radiographs(folder: Path, count: int) -> list[Path]:
    """Write `count` of them, each named by its SOP Instance UID, and let the disk come to rest."""
    folder.mkdir(parents=True)
    ds = radiograph()
    files = [_write(ds, folder) for _ in range(count)]
    os.sync()
    return files


def shares(files: Sequence[Path], senders: int) -> list[list[Path]]:
    """Deal the files out to so many senders."""
    return [list(files[number::senders]) for number in range(senders)]


def _write(ds: Dataset, folder: Path) -> Path:
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (generate_uid(None) for _ in range(3))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


@cache
def _pixels() -> NDArray[np.uint16]:
    noise = np.random.default_rng(0).normal(0, 20, (ROWS, COLUMNS))
    return np.clip(chest_pixels(ROWS, COLUMNS) + noise, 0, 4095).astype(np.uint16)

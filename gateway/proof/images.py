"""Makes computed chest radiographs: small files for the proof, and the pixels of tests and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from gateway.records import uid_from

SIDE = 128
NOISE = 80.0  # of 4095


def write_images(folder: Path, count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Write `count` radiographs, each with its own pixels and study; yield the UID and file of each."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        pixels = noisy_chest_pixels(chance, SIDE, SIDE, NOISE)
        ds = _radiograph(UID(uid_from(f"prove|{seed}|{number}")), pixels)
        path = folder / f"{number}.dcm"
        ds.save_as(path, enforce_file_format=True)
        yield str(ds.SOPInstanceUID), path


def chest_pixels(rows: int = 96, columns: int = 80) -> NDArray[np.uint16]:
    """Return 12-bit pixels, shape (rows, columns): a bright body with two darker lungs."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    lungs = np.exp(-(((np.abs(x) - 0.42) / 0.28) ** 2) - (y / 0.55) ** 2)
    body = np.clip(1.6 - np.hypot(x, 0.8 * y), 0, 1)
    return np.asarray(4095 * np.clip(body - 0.7 * lungs, 0, 1), np.uint16)


def noisy_chest_pixels(
    chance: np.random.Generator, rows: int, columns: int, deviation: float
) -> NDArray[np.uint16]:
    """Return `chest_pixels` with Gaussian noise: no two images are equal."""
    noise = chance.normal(0, deviation, (rows, columns))
    return np.clip(chest_pixels(rows, columns) + noise, 0, 4095).astype(np.uint16)


def _radiograph(uid: UID, pixels: NDArray[np.uint16]) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid_from(f"study|{uid}"), uid_from(f"series|{uid}")
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition = "CR", "CHEST", "PA"
    ds.PatientName, ds.PatientID = "Proof^Synthetic", "PROOF"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = pixels.tobytes()
    return ds

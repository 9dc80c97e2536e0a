"""Small synthetic radiographs, each with pixels and a study of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from gateway.records import uid_from

SIDE = 128


def write_images(folder: Path, count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Write `count` radiographs; yield the SOP Instance UID and file of each."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        ds = _radiograph(UID(uid_from(f"prove|{seed}|{number}")), _pixels(chance))
        path = folder / f"{number}.dcm"
        ds.save_as(path, enforce_file_format=True)
        yield str(ds.SOPInstanceUID), path


def _pixels(chance: np.random.Generator) -> NDArray[np.uint16]:
    """Return 12-bit pixels, shape (SIDE, SIDE): a bright body, two darker lungs, noise."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    lungs = np.exp(-(((np.abs(x) - 0.42) / 0.28) ** 2) - (y / 0.55) ** 2)
    body = 1.4 - np.hypot(x, 0.8 * y) - 0.7 * lungs + chance.normal(0, 0.02, x.shape)
    return np.asarray(4095 * np.clip(body, 0, 1), np.uint16)


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

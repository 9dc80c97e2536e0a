"""Time from a decoded header to the model's input: a 2500 × 2048 radiograph, 12 bits in 16, on one core.

Usage: python benchmarks/decode.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian

from gateway.imaging.decode import decode
from gateway.imaging.fingerprint import pixel_digest
from gateway.imaging.preprocess import to_model_input

REPEATS = 15


def radiograph() -> Dataset:
    """Return a MONOCHROME1 image of smooth shades and noise with rescale and window."""
    y, x = np.mgrid[:2500, :2048]
    noise = np.random.default_rng(0).normal(0, 20, x.shape)
    pixels = np.clip((np.sin(x / 300) + np.cos(y / 400) + 2) * 1000 + noise, 0, 4095).astype("<u2")
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleSlope, ds.RescaleIntercept = "1", "0"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    ds.PixelData = pixels.tobytes()
    return ds


def obvious(ds: Dataset) -> np.ndarray:
    """Return the model's input the way of most examples: pydicom, floats, Pillow."""
    ds._pixel_array = None  # pydicom keeps the array between calls
    shown = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
    grey = 1 - (shown / 4095)
    small = Image.fromarray(grey.astype(np.float32)).resize((224, 224), Image.Resampling.BILINEAR)
    return np.repeat(((np.asarray(small) - 0.5) / 0.5)[None], 3, axis=0)


def milliseconds(call: Callable[[], object]) -> float:
    """Return the shortest duration of `call`: other work on the machine only adds."""
    durations = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        durations.append(1000 * (time.perf_counter() - start))
    return min(durations)


def main() -> None:
    """Print the two ways side by side."""
    ds = radiograph()
    assert np.abs(obvious(ds) - to_model_input(decode(ds).pixels)).max() < 0.001
    ours = milliseconds(lambda: to_model_input(decode(ds).pixels))
    theirs = milliseconds(lambda: obvious(ds))
    grey = decode(ds)
    digest = milliseconds(lambda: pixel_digest(grey))
    print(f"decode and preprocess  {ours:6.1f} ms")
    print(f"pydicom and Pillow     {theirs:6.1f} ms  ({theirs / ours:.1f} times as long)")
    print(f"pixel digest           {digest:6.1f} ms")


if __name__ == "__main__":
    main()

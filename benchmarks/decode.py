"""DECODE: from stored values to the model's input, beside pydicom's functions and Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.radiograph import radiograph
from benchmarks.stopwatch import shortest_ms
from gateway.imaging.decode import decode
from gateway.imaging.fingerprint import pixel_digest
from gateway.imaging.preprocess import to_model_input


def measure(effort: Effort) -> list[Figure]:
    """Time a MONOCHROME1 radiograph with rescale and window, on one core."""
    ds = radiograph(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert np.abs(obvious(ds) - to_model_input(decode(ds).pixels)).max() < 0.001, "the two ways differ"
    theirs = shortest_ms(lambda: obvious(ds), effort.repeats)
    ours = shortest_ms(lambda: to_model_input(decode(ds).pixels), effort.repeats)
    grey = decode(ds)
    digest = shortest_ms(lambda: pixel_digest(grey), effort.repeats)
    return [
        Figure("decode to tensor, one core", ours, "ms", Yardstick("pydicom and Pillow", theirs)),
        Figure("pixel digest, one core", digest, "ms", Yardstick("decode to tensor", ours)),
    ]


def obvious(ds: Dataset) -> NDArray[Any]:
    """Return the model's input as most examples compute it: pydicom, floats, Pillow."""
    ds._pixel_array = None  # pydicom keeps the array between calls
    shown = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
    grey = 1 - (shown / 4095)
    small = Image.fromarray(grey.astype(np.float32)).resize((224, 224), Image.Resampling.BILINEAR)
    return np.repeat(((np.asarray(small) - 0.5) / 0.5)[None], 3, axis=0)

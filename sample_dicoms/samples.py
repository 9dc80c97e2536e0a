"""The list of samples: header, phantom and coding of each. `generate` and the tests build them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom.dataset import FileDataset

from sample_dicoms.codings import (
    collimate,
    inverse,
    jpeg_2000,
    jpeg_lossless,
    rle,
    straight,
    to_stored,
    truncate,
    voi_lut,
    window,
)
from sample_dicoms.hand import hand_paths
from sample_dicoms.objects import SampleHeader, radiograph
from sample_dicoms.radiograph import Paths, balanced, density, exposure, film_curve
from sample_dicoms.solids import Array, Ellipsoid, Vector, View
from sample_dicoms.thorax import Thorax

FINE, MEDIUM, COARSE = 0.45, 0.5, 0.75  # pixel pitch, mm: what keeps the folder small


@dataclass(frozen=True)
class SampleFile:
    """One file: header, phantom, pixel pitch in mm, final change of the object, and tone curve."""

    header: SampleHeader
    thorax: Thorax | None
    spacing: float
    finish: Callable[[FileDataset], None] = window
    curve: Callable[[Array], Array] = film_curve


def pneumonia(centre: Vector, seed: int) -> tuple[tuple[Ellipsoid, float], ...]:
    """Return a cluster of consolidated regions around a point, mm."""
    rng = np.random.default_rng(seed)
    places = np.asarray(centre) + rng.normal(0, 1, (16, 3)) * (22, 20, 22)
    return tuple(
        (Ellipsoid(tuple(place), tuple(rng.uniform(14, 36, 3)), tuple(rng.uniform(0, 90, 3))), 0.45)
        for place in places
    )


SAMPLES = [
    SampleFile(SampleHeader("dx_pa_normal.dcm", "one", "DX"), Thorax(1), FINE),
    SampleFile(
        SampleHeader("dx_pa_consolidation.dcm", "two", "DX"),
        Thorax(4, 0.95, pneumonia((-84, 20, 62), 5)),
        MEDIUM,
    ),
    SampleFile(SampleHeader("dx_pa_jpeg_2000.dcm", "three", "DX"), Thorax(7, 0.9), FINE, jpeg_2000),
    SampleFile(SampleHeader("dx_pa_voi_lut.dcm", "four", "DX"), Thorax(9), COARSE, voi_lut, straight),
    SampleFile(SampleHeader("cr_pa_monochrome1.dcm", "five", "CR"), Thorax(11, 0.95), COARSE, inverse),
    SampleFile(SampleHeader("cr_pa_jpeg_lossless.dcm", "six", "CR"), Thorax(13, 1.05), FINE, jpeg_lossless),
    SampleFile(
        SampleHeader("cr_pa_rle.dcm", "seven", "CR"),
        Thorax(15, 0.95, pneumonia((88, 25, 150), 8)),
        MEDIUM,
        rle,
    ),
    SampleFile(
        SampleHeader(
            "cr_pa_japanese_name.dcm",
            "eight",
            "CR",
            patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう",  # the example of PS3.5 Annex H
            character_set=["", "ISO 2022 IR 87"],
        ),
        Thorax(17),
        COARSE,
    ),
    SampleFile(SampleHeader("cr_pa_padding.dcm", "nine", "CR"), Thorax(19, 0.95), COARSE, collimate),
    SampleFile(SampleHeader("dx_lateral.dcm", "one", "DX", view="LL"), Thorax(1, frontal=False), COARSE),
    SampleFile(SampleHeader("dx_hand.dcm", "ten", "DX", body_part="HAND"), None, MEDIUM),
    SampleFile(SampleHeader("dx_for_processing.dcm", "one", "DX", processed=False), Thorax(1), COARSE),
    SampleFile(SampleHeader("dx_pa_truncated.dcm", "eleven", "DX"), Thorax(21), COARSE, truncate),
]


def build(sample: SampleFile) -> FileDataset:
    """Return the complete object of a sample."""
    seed = sum(sample.header.file.encode())
    log_signal = density(exposure(paths_of(sample), sample.spacing, seed))
    if not sample.header.processed:
        raw = np.clip(np.round(log_signal * 1500), 0, 16383).astype(np.uint16)
        return radiograph(sample.header, raw, 14, sample.spacing)
    brightness = sample.curve(balanced(log_signal, sample.spacing))
    ds = radiograph(sample.header, to_stored(brightness), 12, sample.spacing)
    sample.finish(ds)
    return ds


def encoded(sample: SampleFile) -> bytes:
    """Return the bytes of a sample's Part 10 file."""
    buffer = BytesIO()
    build(sample).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def view_of(sample: SampleFile) -> View:
    """Return the detector for a sample."""
    if sample.thorax is None:
        return _detector(sample.spacing, 176, 240, -86, 196)
    if not sample.thorax.frontal:
        return _detector(sample.spacing, 308, 350, -155, 288, across=1, along=0)
    return _detector(sample.spacing, 372, 340, -186, 275)


def _detector(
    spacing: float, width: float, height: float, left: float, top: float, across: int = 0, along: int = 1
) -> View:
    return View(round(height / spacing), round(width / spacing), spacing, left, top, across, along)


def paths_of(sample: SampleFile) -> Paths:
    """Return the path lengths through the sample's solids."""
    view = view_of(sample)
    return hand_paths(view) if sample.thorax is None else sample.thorax.paths(view)
